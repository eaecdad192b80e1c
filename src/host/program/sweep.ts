import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import { loadProgram, stillRuns } from './program.ts';

/** Files that a deploy removes at its end. PM2's config and a canary's files hold environments of apps; a command may hold a secret. */
const PASSING = /^(reserve$|room$|pm2-ssh-deploy|canary-\d|[a-z-]+-command\.sh$)/;

/** Removes such files from the run directory of a program that was killed. */
export async function sweepRun(run: string): Promise<void> {
  const left = readdirSync(run).filter((name) => PASSING.test(name));
  if (left.length === 0 || mayRun(run)) return;
  await Promise.all(left.map((name) => rm(join(run, name), { recursive: true, force: true })));
}

function mayRun(run: string): boolean {
  try {
    return stillRuns(loadProgram(run));
  } catch {
    // It is just starting.
    return true;
  }
}
