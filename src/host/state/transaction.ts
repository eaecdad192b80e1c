import { statSync } from 'node:fs';
import { join } from 'node:path';
import type { Mode, Plan } from '../../protocol.ts';
import type { Head } from '../git/checkout.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import type { SwapOp } from '../swap/swap-list.ts';
import { readIfThere, writeDurably } from '../system/durable.ts';
import type { Moment } from '../system/processes.ts';
import type { Current } from './current.ts';

/**
 * All that is needed to end a deploy either way, on disk before anything of the live app is touched, so that a
 * program that was killed can be followed by one that finishes its work. Holds the app's environment: mode 0600.
 */
export interface Transaction {
  deployId: string;
  mode: Mode;
  run: Plan['run'];
  /** The new version, and the one to go back to. */
  sha: string;
  previous: Head;
  /** Where the finished build and what it replaces lie. */
  staging: string;
  kept: string;
  ops: SwapOp[];
  /** File in the state directory that says what the build made. */
  record: string;
  /** The version that was verified last, which a rollback goes back to; null where none was by a deploy of ours. */
  current: Current | null;
  fingerprint: string;
  /** PM2 as it was. */
  before: Before;
  save: boolean;
  healthTimeout: number;
  stableFor: number;
  /** What the new version must answer; absolute, or null. */
  healthUrl: string | null;
  /** What PM2 is given. */
  config: DeployApp[];
  /** Apps that run and are not in it: removed once it is verified. */
  leftOut: string[];
  pm2Env: string | null;
  /** When the swap ended; null until it has. */
  swapped: Moment | null;
  /** The old version's files are back: what is done to them later is somebody else's work. */
  restored: boolean;
}

/** What PM2 ran before the deploy. */
export interface Before {
  /** What restores it. An app that is not in here did not exist. */
  apps: DeployApp[];
  /** Instances by name, and how many of them were online. */
  counts: Record<string, { total: number; online: number }>;
  /** Ports on which the old version accepted connections. */
  ports: number[];
  /** Children of PM2's daemon that it did not list. */
  orphans: number[];
  /** What the old version answered with 2xx, absolute; null where it did not, or nothing was asked. */
  healthUrl: string | null;
}

const file = (state: string): string => join(state, 'transaction.json');

/** Returns once it is on disk. */
export function saveTransaction(state: string, transaction: Transaction): void {
  writeDurably(file(state), JSON.stringify(transaction));
}

export function loadTransaction(state: string): Transaction | null {
  const text = readIfThere(file(state));
  return text === null ? null : (JSON.parse(text) as Transaction);
}

/** When it was last put on disk, in milliseconds since 1970. */
export function transactionSavedAt(state: string): number {
  return statSync(file(state)).mtimeMs;
}
