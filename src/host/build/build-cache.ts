import { rmSync } from 'node:fs';
import { join, posix } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import { type Context, inform } from '../context.ts';
import { endedDeploys } from '../state/history.ts';
import { treeOf } from '../state/places.ts';
import { at, knownTree } from '../swap/known-tree.ts';
import { statOf } from '../swap/rename.ts';
import type { Fingerprints } from '../swap/tree.ts';
import { isShortOfSpace } from '../system/disk-space.ts';
import { exists } from '../system/paths.ts';
import { copyIfAbsent } from './copy-absent.ts';
import { type BuildCache, frameworkCaches } from './frameworks.ts';
import { decidesInstall } from './install-inputs.ts';
import type { Replaced } from './keep-assets.ts';
import { matchingFiles } from './path-globs.ts';

/** In bytes. A build that keeps more begins without, and so keeps less. */
const LARGEST = 1024 ** 3;
/** In milliseconds: a longer copy might take more time than it saves. */
const LONGEST = 10_000;

/**
 * Gives the build in the checkout at `top` a copy of what the build of the live version left for the next one. So no build
 * that failed, and none that was rolled back, has any part in it. Says so, or why it has none.
 */
export async function carryBuildCache(
  context: Context,
  top: string,
  tracked: Fingerprints,
  replaced: Replaced,
): Promise<void> {
  const { plan, places, log } = context;
  if (plan.freshInstall || plan.steps.build.kind === 'none') return;
  if (replaced.sha === null || replaced.generated === null) return;
  const caches = frameworkCaches(top, tracked.keys()).filter(
    ({ directory }) => !exists(join(top, directory)),
  );
  if (caches.length === 0) return;
  const live = treeOf(places);
  const known = knownTree(replaced.tracked, replaced.generated, 'known');
  // What no build of ours made there is the app's own.
  const files = caches
    .flatMap((cache) => filesOf(cache, live))
    .filter((path) => at(known, path)?.kind === 'leaf');
  if (files.length === 0) return;
  const bytes = files.reduce((sum, path) => sum + Number(statOf(`${live}/${path}`)?.size ?? 0), 0);
  const why =
    (await whyWithout(context, bytes, replaced.tracked, tracked)) ??
    (await copyAll(context, files, live, top));
  const shown = caches.map(({ directory }) => directory).join(', ');
  const size = `${(bytes / 1024 ** 2).toFixed(0)} MiB`;
  inform(
    log,
    why === null
      ? `The build has a copy of the last build's cache: ${shown}, ${size}.`
      : `The build starts without the last build's cache (${shown}, ${size}): ${why}.`,
  );
}

function filesOf({ directory, data }: BuildCache, live: string): string[] {
  const isData = (path: string): boolean =>
    data.includes(posix.relative(directory, path).split('/')[0] ?? '');
  return matchingFiles(live, [directory]).filter((path) => !isData(path));
}

/** As a sentence's end; null if the cache can be used. */
async function whyWithout(
  { journal, places, env }: Context,
  bytes: number,
  trackedOld: Fingerprints,
  tracked: Fingerprints,
): Promise<string | null> {
  const last = endedDeploys(journal.entries()).pop();
  // The cache may be why.
  if (last?.outcome === 'failed' && last.state === 'staged')
    return 'the last deploy failed before its build was ready';
  // A bundler takes a package that has its old version for unchanged, though a patch may have changed it.
  const changed = [...new Set([...trackedOld.keys(), ...tracked.keys()])]
    .filter((path) => decidesInstall(path))
    .find((path) => trackedOld.get(path) !== tracked.get(path));
  if (changed !== undefined) return `${changed} changed`;
  if (bytes > LARGEST) return 'it has more than 1 GiB';
  return (await isShortOfSpace(places.beside, env)) ? 'less than 2 GiB of the disk is free' : null;
}

/** Copies all, or nothing and gives why, as a sentence's end. */
async function copyAll(
  { runner }: Context,
  files: readonly string[],
  live: string,
  top: string,
): Promise<string | null> {
  const made = new Set(files.map((path) => firstMissing(top, path)));
  const until = performance.now() + LONGEST;
  const copy = async (): Promise<string | null> => {
    for (const path of files) {
      if (copyIfAbsent(path, live, top) !== 'copied') return `${path} could not be copied`;
      // A cancel can be heard between two files.
      await setImmediate();
      if (runner.cancelled.aborted) throw runner.cancelled.reason;
      if (performance.now() > until) return `the copy took more than ${LONGEST / 1000} s`;
    }
    return null;
  };
  const why = await copy().catch((error: Error) => {
    if (runner.cancelled.aborted) throw error;
    return `it could not be copied: ${error.message}`;
  });
  if (why !== null) for (const path of made) rmSync(join(top, path), { recursive: true, force: true });
  return why;
}

/** The topmost directory that has to be made for `path`, or the path itself. */
function firstMissing(top: string, path: string): string {
  const names = path.split('/');
  const count = names.findIndex((_, index) => !exists(join(top, ...names.slice(0, index + 1))));
  return names.slice(0, count < 0 ? names.length : count + 1).join('/');
}
