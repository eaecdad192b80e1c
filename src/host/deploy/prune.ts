import { readdirSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { INSTALL } from '../build/kept-install.ts';
import type { Context } from '../context.ts';
import { pruneRefs } from '../git/fetch.ts';
import { collectUploads } from '../git/garbage.ts';
import { sweepRun } from '../program/sweep.ts';
import { type Current, loadCurrent } from '../state/current.ts';
import { versionBefore, versionStack } from '../state/history.ts';
import { unfinished } from '../state/journal.ts';
import {
  forgetReplaced,
  loadReplaced,
  placeOfReplaced,
  type ReplacedVersion,
  reachable,
} from '../state/replaced.ts';
import { buildOf, RECORD_PREFIX } from '../swap/record.ts';
import { isShortOfSpace } from '../system/disk-space.ts';
import { exists } from '../system/paths.ts';
import { requirePrivate } from '../system/private-directory.ts';
import { pruneReleases } from './prune-releases.ts';

/** Verified versions whose commits git is told to keep. */
const KEPT_COMMITS = 10;

const KEPT_RUNS_FOR = 7 * 24 * 3_600_000;

/**
 * Removes what no deploy needs any more: all but the versions that can be gone back to and the last one that failed.
 * As long as a deploy is unfinished nothing goes, since its files may be the only ones of the old version.
 */
export async function prune(context: Context, deployId: string): Promise<void> {
  const { plan, places, env, gitAfterwards, runDir, journal } = context;
  requirePrivate(places.beside, places.state);
  const entries = journal.entries();
  if (unfinished(entries) !== null) return;
  const current = loadCurrent(places.state);
  // A rollback finds its commit here, also where the repository has lost it since.
  const earlier = versionStack(entries).slice(-KEPT_COMMITS);
  await pruneRefs(gitAfterwards, [...new Set([current?.sha ?? null, ...earlier.map(({ sha }) => sha)])]);
  const isShort = exists(places.beside) && (await isShortOfSpace(places.beside, env));
  const wanted = current === null ? [] : replacedToKeep(context, current, isShort);
  const others = plan.layout.kind === 'releases' ? await pruneReleases(context, wanted) : [];
  const earlierFiles = [...wanted, ...others];
  const keptIds = new Set(earlierFiles.map((one) => one.deployId));
  forgetReplaced(places.state, keptIds);
  const keep = new Set([`broken-${deployId}`, ...(current === null ? [] : [current.deployId]), ...keptIds]);
  if (!plan.freshInstall && !isShort) keep.add(INSTALL);
  const beside = namesIn(places.beside).filter(
    (name) => !keep.has(name) && !holdsReappeared(join(places.beside, name)),
  );
  const recordsKept = new Set([current?.record, ...earlierFiles.map(({ record }) => record)]);
  const records = namesIn(places.state).filter(
    (name) => name.startsWith(RECORD_PREFIX) && !recordsKept.has(name),
  );
  const runs = namesIn(dirname(runDir)).map((name) => join(dirname(runDir), name));
  const replaced = current === null ? [] : [join(places.beside, current.deployId, 'version')];
  await Promise.all([
    ...beside.map((name) => remove(join(places.beside, name))),
    ...records.map((name) => remove(join(places.state, name))),
    ...[...runs.filter(isOld), ...replaced].map(remove),
    ...runs.filter((run) => !isOld(run)).map(sweepRun),
  ]);
  if (plan.source.kind === 'upload') await collectUploads(gitAfterwards);
  // Last of all, since it needs room on the disk.
  journal.trim();
}

/** The versions to which a rollback needs no build: where the next one goes, then what the current one replaced, then all others. */
function replacedToKeep(
  { places, plan, journal }: Context,
  current: Current,
  isShort: boolean,
): ReplacedVersion[] {
  const there = loadReplaced(places.state).filter((one) => exists(placeOfReplaced(places, one)));
  const isLast = ({ deployId }: ReplacedVersion): boolean => deployId === current.deployId;
  const lastFirst = [...there.filter(isLast), ...there.filter((one) => !isLast(one))];
  const target = versionBefore(journal.entries(), current.sha)?.sha;
  // In place it needs the files of the version that it is gone back to from.
  const isTarget = ({ sha, over, files }: ReplacedVersion): boolean =>
    sha === target && (files.layout === 'releases' || buildOf(over) === buildOf(current.record));
  const found = reachable(lastFirst, current.record);
  const targetFirst = [...found.filter(isTarget), ...found.filter((one) => !isTarget(one))];
  return targetFirst.slice(0, isShort ? 1 : plan.keepReleases);
}

/** What an app wrote while it was replaced, and nobody has looked at yet. */
function holdsReappeared(directory: string): boolean {
  return (
    statSync(directory).isDirectory() &&
    readdirSync(directory).some((name) => name.startsWith('kept.reappeared'))
  );
}

function namesIn(directory: string): string[] {
  return exists(directory) ? readdirSync(directory) : [];
}

/** Other apps' deploys have their run directories beside this one's, and may be running. */
function isOld(run: string): boolean {
  return Date.now() - statSync(run).mtimeMs > KEPT_RUNS_FOR;
}

async function remove(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true });
}
