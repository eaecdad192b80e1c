import { posix } from 'node:path';
import { type Context, inform, warn } from '../context.ts';
import { treeOf } from '../state/places.ts';
import { at, type KnownDirectory, knownTree } from '../swap/known-tree.ts';
import type { Fingerprints, Generated, KeptAssets } from '../swap/tree.ts';
import { copyIfAbsent } from './copy-absent.ts';
import { frameworkAssets } from './frameworks.ts';
import { matchingFiles } from './path-globs.ts';

/** Of so many replaced versions files are kept, and for so long. */
const KEPT_VERSIONS = 3;
const KEPT_FOR = 7 * 24 * 3_600_000;

/** The version in live, which the new one is to replace. */
export interface Replaced {
  /** Null if no commit is checked out there. */
  sha: string | null;
  /** Its commit's files; none without a commit. */
  tracked: Fingerprints;
  /** What its build made; null if no build of ours did. */
  generated: Generated | null;
}

/**
 * Gives the build those hashed files of the last versions that it lacks, since pages in browsers still ask for them. This
 * comes before the build is recorded, so that a swap and a rollback treat them like the build's own. Says which they are.
 */
export function keepAssets(
  { plan, places, log }: Context,
  staging: string,
  { sha, tracked, generated }: Replaced,
): KeptAssets[] {
  if (sha === null) return [];
  const tree = treeOf(places);
  const globs =
    plan.keepAssets?.map((glob) => posix.join(plan.workingDirectory, glob)) ??
    frameworkAssets(tree, tracked.keys());
  const { kept, unreadable } = carryAssets({
    live: tree,
    staging,
    globs,
    known: generated === null ? null : knownTree(tracked, generated, 'known'),
    sha,
    earlier: generated?.assets ?? [],
    now: Date.now(),
  });
  const count = kept.flatMap(({ paths }) => paths).length;
  const versions = kept.length === 1 ? 'the version' : `the ${kept.length} versions`;
  if (count > 0)
    inform(log, `Kept for pages that are open in browsers: ${count} assets of ${versions} before this one.`);
  if (unreadable.length > 0)
    warn(
      log,
      `This user may not read these assets of the live version, so they are not kept: ${unreadable.slice(0, 5).join(', ')}.`,
    );
  return kept;
}

export interface Carrying {
  live: string;
  staging: string;
  /** Relative to both. */
  globs: readonly string[];
  /** What the version in live consists of; null if no deploy of ours recorded it. */
  known: KnownDirectory | null;
  /** Of the version in live: its commit, and what it kept of earlier ones. */
  sha: string;
  earlier: readonly KeptAssets[];
  /** Milliseconds since 1970. */
  now: number;
}

/** Copies the assets that stay from live to staging, the newest version's first, and says which could not be read. */
export function carryAssets({ live, staging, globs, known, sha, earlier, now }: Carrying): {
  kept: KeptAssets[];
  unreadable: string[];
} {
  // What no deploy put into live is the app's own, and stays there without us.
  const found = matchingFiles(live, globs).filter(
    (path) => known === null || at(known, path)?.kind === 'leaf',
  );
  const unreadable: string[] = [];
  const carry = (path: string): boolean => {
    const done = copyIfAbsent(path, live, staging);
    if (done === 'unreadable') unreadable.push(path);
    return done === 'copied';
  };
  const kept = dueVersions(found, sha, earlier, now)
    .map((version) => ({ ...version, paths: version.paths.filter(carry) }))
    .filter(({ paths }) => paths.length > 0);
  return { kept, unreadable };
}

/** The replaced versions whose files still stay, newest first; each of `found` is of the version that came with it. */
function dueVersions(
  found: readonly string[],
  sha: string,
  earlier: readonly KeptAssets[],
  now: number,
): KeptAssets[] {
  const there = new Set(found);
  const older = earlier.map((version) => ({
    ...version,
    paths: version.paths.filter((path) => there.delete(path)),
  }));
  return [{ sha, replacedAt: now, paths: [...there] }, ...older]
    .filter(({ paths, replacedAt }) => paths.length > 0 && now - replacedAt < KEPT_FOR)
    .slice(0, KEPT_VERSIONS);
}
