import { readFileSync } from 'node:fs';
import { homedir } from 'node:os';
import { type Plan, PROTOCOL_VERSION, type State } from '../protocol.ts';
import type { Context } from './context.ts';
import { deploy } from './deploy/deploy.ts';
import { secretsOfPlan } from './deploy/plan-secrets.ts';
import { preflight } from './deploy/preflight.ts';
import { prune } from './deploy/prune.ts';
import { remove, resumeRemoval } from './deploy/removal.ts';
import { resultOf } from './deploy/result.ts';
import { resume } from './deploy/resume.ts';
import { hearsVerdict, listen, standsAlone } from './program/control.ts';
import type { End, Progress } from './program/end.ts';
import { openEvents } from './program/events.ts';
import { createRedactor } from './program/redact.ts';
import { freeReserve, takeReserve } from './program/reserve.ts';
import { stateRoot } from './state/places.ts';
import { createClock } from './system/clock.ts';
import { failureOf } from './system/failure.ts';
import { sweepUploads, uploadsIn } from './upload/arrived.ts';

export { look } from './look/look.ts';
export { receive } from './upload/receive.ts';

/** How long children that a killed program has left are waited for at least, in milliseconds. */
const LEFT_CHILDREN = 10 * 60_000;
/** States that the result tells; a deploy enters each once. */
const MOST_STATES = 40;

/**
 * The host program: `node host.js run <run directory>`, with the plan on stdin. It reads what the runner says from
 * the run directory and writes events there; it needs nobody to be there to end what it began. As `resume` it only ends
 * what a program that was killed has left there.
 */
async function main(command: 'run' | 'resume', runDir: string): Promise<void> {
  const started = performance.now();
  const isNew = command === 'run';
  const given = JSON.parse(readFileSync(0, 'utf8')) as Plan;
  const plan = isNew ? given : { ...given, lockTimeout: Math.max(given.lockTimeout, LEFT_CHILDREN) };
  const redactor = createRedactor();
  redactor.hide(secretsOfPlan(plan));
  const log = openEvents(runDir, redactor);
  const runner = isNew ? listen(runDir) : plan.waits ? hearsVerdict(runDir) : standsAlone();
  const progress: Progress = {
    state: 'preflight',
    entered: [],
    sha: null,
    migrated: false,
    enter(state: State) {
      progress.state = state;
      const atMs = Math.round(performance.now() - started);
      progress.entered.push({ state, atMs });
      progress.entered.splice(0, progress.entered.length - MOST_STATES);
      log({ type: 'state', state, atMs });
    },
  };

  let context: Context | null = null;
  const clock = createClock();
  let end: End;
  try {
    if (isNew) progress.enter('preflight');
    if (plan.protocol !== PROTOCOL_VERSION)
      throw new Error(`protocol ${plan.protocol} is not ${PROTOCOL_VERSION}`);
    takeReserve(runDir);
    context = await preflight({
      plan,
      runDir,
      log,
      redactor,
      runner,
      clock,
      env: process.env,
      home: homedir(),
      isNew,
    });
    end = await workOf(plan, isNew)(context, progress);
  } catch (error) {
    end = { outcome: 'failed', sha: null, previousSha: null, failure: failureOf(error, progress.state) };
  }
  const result = await resultOf({ plan, end, context, progress, clock, started });
  freeReserve(runDir);
  log({ type: 'end', result });
  runner.close();
  if (context !== null && context.locks.size > 0) {
    // The deploy has ended, and was reported: what cannot be removed now is tried again by the next one.
    if (plan.mode !== 'remove')
      await prune(context, plan.deployId).catch((error: unknown) => console.error(error));
    for (const lock of context.locks) lock.release();
  }
  sweepUploads(uploadsIn(stateRoot(process.env, homedir())), plan.deployId);
  log.close();
  process.exit(0);
}

function workOf({ mode }: Plan, isNew: boolean): (context: Context, progress: Progress) => Promise<End> {
  if (mode === 'remove') return isNew ? remove : resumeRemoval;
  return isNew ? deploy : resume;
}

// The bundle is also required as a module, to look and to take an upload.
const [, , command, runDir] = process.argv;
if ((command === 'run' || command === 'resume') && runDir !== undefined) {
  process.title = 'pm2-ssh-deploy';
  void main(command, runDir);
}
