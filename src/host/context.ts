import type { Plan, SourceLine } from '../protocol.ts';
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

/** What all parts of a deploy share. */
export interface Context {
  plan: Plan;
  runDir: string;
  places: Places;
  log: EventLog;
  redactor: Redactor;
  runner: RunnerLine;
  journal: Journal;
  pm2: Pm2;
  /** The environment of the project's commands: git, install, build. */
  env: NodeJS.ProcessEnv;
  /** Git in any directory, and in the live checkout. */
  gitIn: (directory: string) => Git;
  git: Git;
  /** Git in the live checkout, for work that remains after a cancel. */
  gitAfterwards: Git;
  /** What git may get beside the host's own credentials. */
  access: Access;
  clock: Clock;
  /** The locks of this deploy: the app's from `locked` on, and PM2's while it changes or tries what PM2 runs. */
  locks: HeldLocks;
}

export function inform(log: EventLog, text: string): void {
  log({ type: 'notice', level: 'info', text });
}

export function warn(log: EventLog, text: string, where: SourceLine | null = null): void {
  log({ type: 'notice', level: 'warning', text, where });
}
