import { statSync } from 'node:fs';
import { join } from 'node:path';
import { MODES, type Mode, type Plan } from '../../protocol.ts';
import { type Head, headCheck } from '../git/checkout.ts';
import { type DeployApp, deployApp } from '../pm2/app-config.ts';
import { type SwapOp, swapOp } from '../swap/swap-list.ts';
import { type Check, fields, flag, listOf, mapOf, number, oneOf, orNull, text } from '../system/checked.ts';
import { type Moment, moment } from '../system/processes.ts';
import { type Format, readVersioned, writeVersioned } from '../system/versioned.ts';
import { type Current, currentCheck } from './current.ts';
import { runCheck } from './journal.ts';

/**
 * All that is needed to end a deploy either way, on disk before anything of the live app is touched, so that a
 * program that was killed can be followed by one that finishes its work. Holds the app's environment: mode 0600.
 */
export interface Transaction {
  deployId: string;
  mode: Mode;
  run: Plan['run'];
  /** The new version. */
  sha: string;
  /** The commit that was live; null where none was. */
  previousSha: string | null;
  swap: Swap;
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

/** How the files of the two versions are exchanged, by the layout of the app's directory. */
export type Swap = InPlaceSwap;

/** The app's directory is a checkout; paths in it are exchanged by renames. */
export interface InPlaceSwap {
  layout: 'in-place';
  /** What HEAD said. */
  head: Head;
  /** Where the finished build and what it replaces lie. */
  staging: string;
  kept: string;
  ops: SwapOp[];
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
  writeVersioned(file(state), FORMAT, transaction);
}

export function loadTransaction(state: string): Transaction | null {
  return readVersioned(file(state), FORMAT);
}

/** When it was last put on disk, in milliseconds since 1970. */
export function transactionSavedAt(state: string): number {
  return statSync(file(state)).mtimeMs;
}

/** What formats 1 and 2 have alike. */
const common = {
  deployId: text,
  mode: oneOf(MODES),
  run: runCheck,
  sha: text,
  record: text,
  current: orNull(currentCheck),
  fingerprint: text,
  save: flag,
  healthTimeout: number,
  stableFor: number,
  healthUrl: orNull(text),
  config: listOf(deployApp),
  leftOut: listOf(text),
  pm2Env: orNull(text),
  swapped: orNull(moment),
  restored: flag,
};

const beforeCommon = {
  apps: listOf(deployApp),
  counts: mapOf(fields({ total: number, online: number })),
  ports: listOf(number),
  healthUrl: orNull(text),
};

/** As 0.1 wrote it. */
const format1: Check<Transaction> = (value, at) => {
  const { previous, staging, kept, ops, before, ...rest } = fields({
    ...common,
    previous: headCheck,
    staging: text,
    kept: text,
    ops: listOf(swapOp),
    before: fields({ ...beforeCommon, strays: listOf(number) }),
  })(value, at);
  const { strays, ...was } = before;
  return {
    ...rest,
    previousSha: previous.sha,
    swap: { layout: 'in-place', head: previous, staging, kept, ops },
    before: { ...was, orphans: strays },
  };
};

const format2: Check<Transaction> = fields<Transaction>({
  ...common,
  previousSha: orNull(text),
  swap: fields<InPlaceSwap>({
    layout: oneOf(['in-place']),
    head: headCheck,
    staging: text,
    kept: text,
    ops: listOf(swapOp),
  }),
  before: fields<Before>({ ...beforeCommon, orphans: listOf(number) }),
});

const FORMAT: Format<Transaction> = {
  what: 'The record of the deploy that was under way',
  readers: [format1, format2],
};
