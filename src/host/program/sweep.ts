import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadProgram, stillRuns } from './program.ts';

/** What a deploy takes away itself as it ends: PM2's config and a canary's files have environments of apps in them. */
const PASSING = /^(reserve$|room$|pm2-ssh-deploy|canary-\d)/;

/** Takes away what a program that was killed has left of such in its run directory. */
export async function sweepRun(run: string): Promise<void> {
  const left = readdirSync(run).filter((name) => PASSING.test(name));
  if (left.length === 0 || mayRun(run)) return;
  await Promise.all(left.map((name) => rm(join(run, name), { recursive: true, force: true })));
}

function mayRun(run: string): boolean {
  try {
    return stillRuns(loadProgram(run));
  } catch {
    // It is just being started.
    return true;
  }
}
