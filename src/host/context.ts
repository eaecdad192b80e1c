import type { Plan } from '../protocol.ts';
import type { Git } from './git/git.ts';
import type { Access } from './git/remote.ts';
import type { Pm2 } from './pm2/session.ts';
import type { RunnerLine } from './program/control.ts';
import type { EventLog } from './program/events.ts';
import type { Redactor } from './program/redact.ts';
import type { Journal } from './state/journal.ts';
import type { Places } from './state/places.ts';
import type { Clock } from './system/clock.ts';
import type { HeldLocks } from './system/lock.ts';

/** What every part of one deploy shares. */
export interface Context {
  plan: Plan;
  runDir: string;
  places: Places;
  log: EventLog;
  redactor: Redactor;
  runner: RunnerLine;
  journal: Journal;
  pm2: Pm2;
  /** For commands of the project: git, install, build. */
  env: NodeJS.ProcessEnv;
  /** Git in any directory, and in the live checkout. */
  gitIn: (directory: string) => Git;
  git: Git;
  /** In the live checkout too, for what is still to be done when the deploy was cancelled. */
  gitAfterwards: Git;
  clock: Clock;
  /** What this deploy holds: the app's lock from `locked` on, and PM2's while that is this deploy's alone. */
  locks: HeldLocks;
}

/** What git may be given beside the host's own credentials. */
export function accessOf({ plan, log }: Pick<Context, 'plan' | 'log'>): Access {
  return { gitToken: plan.gitToken, say: (text) => inform(log, text) };
}

export function inform(log: EventLog, text: string): void {
  log({ type: 'notice', level: 'info', text });
}

export function warn(log: EventLog, text: string): void {
  log({ type: 'notice', level: 'warning', text });
}
