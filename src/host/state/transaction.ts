import { statSync } from 'node:fs';
import { join } from 'node:path';
import { MODES, type Mode, type Plan } from '../../protocol.ts';
import { type Head, headCheck } from '../git/checkout.ts';
import { type DeployApp, deployApp } from '../pm2/app-config.ts';
import { type Preload, preloadCheck } from '../pm2/preload-args.ts';
import { type SwapOp, swapOp } from '../swap/swap-list.ts';
import {
  type Check,
  fields,
  flag,
  listOf,
  mapOf,
  number,
  object,
  oneOf,
  orNull,
  text,
} from '../system/checked.ts';
import { type Moment, moment } from '../system/processes.ts';
import { type Format, readVersioned, writeVersioned } from '../system/versioned.ts';
import { type Current, currentCheck, noted } from './current.ts';
import { runCheck } from './journal.ts';

/**
 * Everything that is needed to finish a deploy or to take it back. It is on disk before the live app is touched, so that
 * another program can finish the work of a killed one. It holds the app's environment: mode 0600.
 */
export interface Transaction {
  deployId: string;
  mode: Mode;
  run: Plan['run'];
  /** The new version. */
  sha: string;
  /** The commit that was live; null if none was. */
  previousSha: string | null;
  swap: Swap;
  /** Name of the file in the state directory that lists what the build made. */
  record: string;
  /** The version that was verified last, which a rollback goes back to. Null if no deploy verified one. */
  current: Current | null;
  fingerprint: string;
  /** What install and build of the new version ran with, as `nodeAbi` tells it; null if nobody noted it. */
  abi: string | null;
  /** What PM2 ran before. */
  before: Before;
  save: boolean;
  healthTimeout: number;
  stableFor: number;
  /** The absolute URL that the new version must answer, or null. */
  healthUrl: string | null;
  /** The apps that PM2 gets. */
  config: DeployApp[];
  /** How each app is started with our preload, by name. */
  preloads: Record<string, Preload>;
  /** Apps that run but are not in `config`. They are removed once the version is verified. */
  leftOut: string[];
  pm2Env: string | null;
  /** Whether `migrate-command` has run. */
  migrated: boolean;
  /** When the swap ended; null until it has. */
  swapped: Moment | null;
  /** Whether the old version's files are back. Later changes to them are somebody else's. */
  restored: boolean;
  /** When they were back. Null until then, and if an older version of ours brought them back. */
  restoredAt: Moment | null;
}

/** How the files of the two versions are exchanged, by the layout of the app's directory. */
export type Swap = InPlaceSwap | ReleasesSwap;

/** The app's directory is a checkout; paths in it are exchanged by renames. */
export interface InPlaceSwap {
  layout: 'in-place';
  /** What HEAD said. */
  head: Head;
  /** Where the finished build is, and where the files go that it replaces. */
  staging: string;
  kept: string;
  ops: SwapOp[];
  /** Files in `staging` that the deploy's inputs brought. */
  given: string[];
}

/** Each version has a directory of its own. A link leads to the one that runs. */
export interface ReleasesSwap {
  layout: 'releases';
  /** What HEAD said. */
  head: Head;
  /** The new version's directory. */
  staging: string;
  /** Where the link led. Null if there was none: then the app's directory was a checkout itself, or nothing ran. */
  previous: string | null;
  /** Relative to the version before: what is the app's own there, and moves to where all versions have it. */
  own: string[];
}

/** What PM2 ran before the deploy. */
export interface Before {
  /** What restores each app. An app that is missing here did not exist. */
  apps: DeployApp[];
  /** By app name: how many instances there were, and how many were online, or were jobs that had done their work. */
  counts: Record<string, { total: number; online: number }>;
  /** Ports on which the old version accepted connections. */
  ports: number[];
  /** Children of PM2's daemon that it did not list. */
  orphans: number[];
  /** How these apps were started with our preload, by name. */
  preloads: Record<string, Preload>;
  /** The absolute URL that the old version answered with 2xx. Null if it did not, or nothing was asked. */
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

/** When it was last written, in milliseconds since 1970. */
export function transactionSavedAt(state: string): number {
  return statSync(file(state)).mtimeMs;
}

/** Format 1 and the first files of format 2 do not have it. */
const restoredAt: Check<Moment | null> = (value = null, at) => orNull(moment)(value, at);

/** What formats 1 and 2 have alike. */
const common = {
  deployId: text,
  mode: oneOf(MODES),
  run: runCheck,
  sha: text,
  record: text,
  current: orNull(currentCheck),
  fingerprint: text,
  abi: noted,
  save: flag,
  healthTimeout: number,
  stableFor: number,
  healthUrl: orNull(text),
  config: listOf(deployApp),
  leftOut: listOf(text),
  pm2Env: orNull(text),
  swapped: orNull(moment),
  restored: flag,
  restoredAt,
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
    migrated: false,
    swap: { layout: 'in-place', head: previous, staging, kept, ops, given: [] },
    preloads: {},
    before: { ...was, orphans: strays, preloads: {} },
  };
};

/** The first files of format 2 do not have it. */
const given: Check<string[]> = (value = [], at) => listOf(text)(value, at);

const inPlaceSwap: Check<InPlaceSwap> = fields<InPlaceSwap>({
  layout: oneOf(['in-place']),
  head: headCheck,
  staging: text,
  kept: text,
  ops: listOf(swapOp),
  given,
});

const releasesSwap: Check<ReleasesSwap> = fields<ReleasesSwap>({
  layout: oneOf(['releases']),
  head: headCheck,
  staging: text,
  previous: orNull(text),
  own: listOf(text),
});

const anySwap: Check<Swap> = (value, at) =>
  object(value, at).layout === 'releases' ? releasesSwap(value, at) : inPlaceSwap(value, at);

/** What formats 2 and 3 have alike. */
const later = {
  ...common,
  previousSha: orNull(text),
  migrated: flag,
  preloads: mapOf(preloadCheck),
  before: fields<Before>({ ...beforeCommon, orphans: listOf(number), preloads: mapOf(preloadCheck) }),
};

const format2: Check<Transaction> = fields<Transaction>({ ...later, swap: inPlaceSwap });
const format3: Check<Transaction> = fields<Transaction>({ ...later, swap: anySwap });

const FORMAT: Format<Transaction> = {
  what: 'The record of the deploy that was under way',
  readers: [format1, format2, format3],
};
