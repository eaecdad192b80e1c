import { join } from 'node:path';
import { type Check, fields, listOf, Misshapen, mapOf, number, orNull, text } from '../system/checked.ts';
import { type Format, readVersioned, writeVersioned } from '../system/versioned.ts';
import type { Generated, KeptAssets, Single } from './tree.ts';

/** Records of what builds made lie in the app's state directory under such names. */
export const RECORD_PREFIX = 'built-';
const AGAIN = '.again-';

/** Puts the record of one deploy's build on disk and returns its name. */
export function saveRecord(state: string, deployId: string, generated: Generated): string {
  const name = `${RECORD_PREFIX}${deployId}.json`;
  writeVersioned(join(state, name), FORMAT, generated);
  return name;
}

/** The same for a build that comes back with assets of others: what `record` lists, and these. */
export function saveRecordAgain(
  state: string,
  deployId: string,
  generated: Generated,
  record: string,
): string {
  const name = buildOf(record).replace(/\.json$/, `${AGAIN}${deployId}.json`);
  writeVersioned(join(state, name), FORMAT, generated);
  return name;
}

/** The record's own build: the same for all records of one build. Ids of deploys have no full stop. */
export function buildOf(record: string): string {
  const at = record.indexOf(AGAIN);
  return at < 0 ? record : `${record.slice(0, at)}.json`;
}

/** Null if no deploy of ours made what is there. */
export function loadRecord(state: string, name: string | null): Generated | null {
  return name === null ? null : readVersioned(join(state, name), FORMAT);
}

/** A list of fixed length, as a `[path, names]` is. */
function tuple(value: unknown, at: string, length: number): unknown[] {
  if (!Array.isArray(value) || value.length !== length) throw new Misshapen(at, `a list of ${length}`);
  return value;
}

const directory: Check<[string, string[]]> = (value, at) => {
  const [path, names] = tuple(value, at, 2);
  return [text(path, at), listOf(text)(names, at)];
};

const single: Check<Single> = (value, at) => {
  const [path, size, mtimeNs, content] = tuple(value, at, 4);
  return [text(path, at), number(size, at), text(mtimeNs, at), orNull(text)(content, at)];
};

/** What formats 1 and 2 have alike. */
const common = {
  roots: listOf(text),
  directories: listOf(directory),
  singles: listOf(single),
  rewritten: mapOf(text),
  deleted: listOf(text),
};

/** As 0.1 wrote it: nothing was kept of earlier versions. */
const format1: Check<Generated> = (value, at) => ({ ...fields(common)(value, at), assets: [] });

const format2: Check<Generated> = fields<Generated>({
  ...common,
  assets: listOf(fields<KeptAssets>({ sha: text, replacedAt: number, paths: listOf(text) })),
});

const FORMAT: Format<Generated> = {
  what: 'The record of what a build made',
  readers: [format1, format2],
};
