import type { HostResult, Plan } from '../protocol.ts';
import type { RunnerLine } from './control.ts';
import type { EventLog } from './events.ts';
import type { Git } from './git.ts';
import type { Journal } from './journal.ts';
import type { Lock } from './lock.ts';
import type { Places } from './places.ts';
import type { Pm2 } from './pm2/session.ts';
import type { Redactor } from './redact.ts';

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
  spent: Spent;
  /** Null until the deploy is `locked`; children that must not outlive the lock are given its descriptor. */
  lock: Lock | null;
}

/** Milliseconds so far, by what they were spent on. */
export type Spent = HostResult['spent'];

export function nothingSpent(): Spent {
  return { lock: 0, git: 0, install: 0, build: 0, pm2: 0, verify: 0 };
}

/** Adds the time that `work` takes to one of the accounts. */
export async function timed<T>(spent: Spent, account: keyof Spent, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  try {
    return await work();
  } finally {
    spent[account] += performance.now() - started;
  }
}

export function inform(log: EventLog, text: string): void {
  log({ type: 'notice', level: 'info', text });
}

export function warn(log: EventLog, text: string): void {
  log({ type: 'notice', level: 'warning', text });
}
