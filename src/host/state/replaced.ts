import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { buildOf } from '../swap/record.ts';
import { type SwapOp, swapOp } from '../swap/swap-list.ts';
import { type Check, fields, listOf, object, oneOf, orNull, text } from '../system/checked.ts';
import { exists } from '../system/paths.ts';
import { type Moment, moment } from '../system/processes.ts';
import { type Format, readIfUsable, writeVersioned } from '../system/versioned.ts';
import { noted } from './current.ts';
import { type Places, releasesIn } from './places.ts';

/** A verified version that another one has replaced. Its files stay until they are pruned. */
export interface ReplacedVersion {
  /** The deploy that replaced it. In place, its directory beside the app has the files. */
  deployId: string;
  /** The record of the version that took its place. In place, what `ops` does not name is the same in both. */
  over: string;
  sha: string;
  /** As of `Current`, all three. */
  record: string;
  fingerprint: string;
  abi: string | null;
  files: ReplacedFiles;
}

/** Where its files are: put aside by a swap, or still in the version's own directory. */
export type ReplacedFiles = { layout: 'in-place'; ops: SwapOp[] } | ReplacedRelease;

export interface ReplacedRelease {
  layout: 'releases';
  /** The directory's name. */
  release: string;
  /** When the version ceased to be live. Null if nobody noted it. */
  until: Moment | null;
}

const common = {
  deployId: text,
  over: text,
  sha: text,
  record: text,
  fingerprint: text,
  abi: noted,
};

const format1: Check<ReplacedVersion> = (value, at) => {
  const { ops, ...rest } = fields({ ...common, ops: listOf(swapOp) })(value, at);
  return { ...rest, files: { layout: 'in-place', ops } };
};

const inPlace: Check<ReplacedFiles> = fields({ layout: oneOf(['in-place']), ops: listOf(swapOp) });
const ownDirectory: Check<ReplacedFiles> = fields<ReplacedRelease>({
  layout: oneOf(['releases']),
  release: text,
  until: (value = null, at) => orNull(moment)(value, at),
});

const files: Check<ReplacedFiles> = (value, at) =>
  object(value, at).layout === 'releases' ? ownDirectory(value, at) : inPlace(value, at);

const format2: Check<ReplacedVersion> = fields<ReplacedVersion>({ ...common, files });

const FORMAT: Format<ReplacedVersion> = {
  what: 'The record of a version that was replaced',
  readers: [format1, format2],
};

const PREFIX = 'replaced-';

const fileOf = (state: string, deployId: string): string => join(state, `${PREFIX}${deployId}.json`);

/** Returns once it is on disk. */
export function saveReplaced(state: string, replaced: ReplacedVersion): void {
  writeVersioned(fileOf(state, replaced.deployId), FORMAT, replaced);
}

/** All that can be read, in no order. One that cannot be costs time only: its version is built anew. */
export function loadReplaced(state: string): ReplacedVersion[] {
  return idsIn(state).flatMap((id) => readIfUsable(fileOf(state, id), FORMAT) ?? []);
}

/** The directory that has its files. */
export function placeOfReplaced(
  { top, beside }: Pick<Places, 'top' | 'beside'>,
  { deployId, files }: ReplacedVersion,
): string {
  return files.layout === 'releases' ? join(releasesIn(top), files.release) : join(beside, deployId, 'kept');
}

/** Removes the records of all but these deploys. */
export function forgetReplaced(state: string, but: ReadonlySet<string>): void {
  for (const id of idsIn(state)) if (!but.has(id)) rmSync(fileOf(state, id), { force: true });
}

/**
 * Those that can be gone back to from the version with the record `current`, in one step or in several, the nearest first.
 * Each version is in it once, and the current one is not.
 */
export function reachable(all: readonly ReplacedVersion[], current: string): ReplacedVersion[] {
  const seen = new Set([buildOf(current)]);
  const found: ReplacedVersion[] = [];
  for (let from = [buildOf(current)]; from.length > 0; ) {
    const next = all.filter(({ over }) => from.includes(buildOf(over)));
    from = [];
    for (const one of next) {
      const build = buildOf(one.record);
      if (seen.has(build)) continue;
      seen.add(build);
      found.push(one);
      from.push(build);
    }
  }
  return found;
}

function idsIn(state: string): string[] {
  const names = exists(state) ? readdirSync(state) : [];
  return names
    .filter((name) => name.startsWith(PREFIX) && name.endsWith('.json'))
    .map((name) => name.slice(PREFIX.length, -'.json'.length));
}
