import { readdirSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { endedDeploys } from '../state/history.ts';
import type { Entry } from '../state/journal.ts';
import { currentIn, releasesIn, sharedIn } from '../state/places.ts';
import { loadReplaced, placeOfReplaced, type ReplacedVersion } from '../state/replaced.ts';
import { loadTransaction } from '../state/transaction.ts';
import { moveToShared } from '../swap/lasting-entries.ts';
import { readTree } from '../swap/live-tree.ts';
import { buildOf, RECORD_PREFIX } from '../swap/record.ts';
import { exists, isWithin, realOrSame } from '../system/paths.ts';
import { exchangeOf } from './layout.ts';
import { releasesInUse } from './releases-in-use.ts';
import { madeSinceBuilt } from './releases-swap.ts';

/**
 * Removes the directories of versions that nothing needs. What is live stays, and what is `wanted`, and whatever a process uses,
 * and a version with something of the app's own that cannot be moved, and what no deploy of ours made.
 * Gives the versions that stay beside the wanted ones. To be called with no deploy unfinished.
 */
export async function pruneReleases(
  context: Context,
  wanted: readonly ReplacedVersion[],
): Promise<ReplacedVersion[]> {
  const { places, pm2, journal } = context;
  const { top, state } = places;
  const releases = releasesIn(top);
  const live = realOrSame(currentIn(top));
  if (!exists(releases) || !isWithin(releases, live)) return [];
  const ended = endedDeploys(journal.entries());
  const unshared = await endSharing(context, ended);
  const kept = new Set([live, unshared, ...wanted.map((one) => placeOfReplaced(places, one))]);
  const known = loadReplaced(state);
  const replaced = known.flatMap(({ files }) => (files.layout === 'releases' ? [files] : []));
  const used = releasesInUse(top, pm2.install, await pm2.list(), replaced);
  const staying: ReplacedVersion[] = [];
  for (const name of readdirSync(releases)) {
    const release = join(releases, name);
    if (kept.has(release)) continue;
    const version = known.find((one) => placeOfReplaced(places, one) === release);
    const deploy = ended.find((one) => one.deploy === name) ?? null;
    const isGone = !used.has(name) && (await removes(context, release, deploy, version ?? null));
    if (!isGone && version !== undefined) staying.push(version);
  }
  return staying;
}

/** What tells a version's own files from those that its app has made. */
type Built = Pick<ReplacedVersion, 'sha' | 'record'>;

/** A version that went live and that nothing is known to have replaced: somebody changed the link by hand since. */
function deployedAs(state: string, { deploy, outcome, sha }: Entry): Built | null {
  if (outcome !== 'deployed' || sha === null) return null;
  const build = `${RECORD_PREFIX}${deploy}.json`;
  const records = readdirSync(state).filter(
    (file) => file.startsWith(RECORD_PREFIX) && buildOf(file) === build,
  );
  return { sha, record: records.sort().at(-1) ?? build };
}

/** Removes the directory if nothing in it is of use. False if it stays. */
async function removes(
  context: Context,
  release: string,
  deploy: Entry | null,
  version: Built | null,
): Promise<boolean> {
  try {
    const built = version ?? (deploy === null ? null : deployedAs(context.places.state, deploy));
    const goes = built === null ? isOfNoUse(release, deploy) : await isEmptied(context, release, built);
    if (goes) await rm(release, { recursive: true, force: true });
    return goes;
  } catch (error) {
    // Another user's file in one version is no reason to keep the others. The next deploy tries again.
    console.error(error);
    return false;
  }
}

/**
 * The program of the last good deploy may have been killed before it had moved all. Gives the directory that still has some of it,
 * as it cannot be moved now.
 */
async function endSharing(context: Context, ended: readonly Entry[]): Promise<string | null> {
  const transaction = loadTransaction(context.places.state);
  const last = ended.find(({ deploy }) => deploy === transaction?.deployId);
  if (transaction === null || last?.outcome !== 'deployed') return null;
  try {
    await exchangeOf(context, transaction).afterwards();
    return null;
  } catch (error) {
    console.error(error);
    return transaction.swap.layout === 'releases' ? transaction.swap.previous : null;
  }
}

/**
 * Whether a directory that no record names may go: a version that failed. What it wrote while it was live has gone back to the
 * version before. A deploy that was killed early is not in the journal, but its clone of the repository tells that it is ours.
 */
function isOfNoUse(release: string, deploy: Entry | null): boolean {
  if (deploy !== null && deploy.outcome !== 'deployed') return true;
  return exists(join(release, '.git/objects/info/alternates')) && !holdsDatabase(release);
}

/** Moves what is the app's own out of a version. False if something of it stays. */
async function isEmptied(
  { places, gitAfterwards }: Context,
  release: string,
  { sha, record }: Built,
): Promise<boolean> {
  const made = await madeSinceBuilt(gitAfterwards, places.state, { release, sha, record });
  if (made === null) return false;
  const { isDatabase } = readTree(release, release);
  // The version that runs may have a database open: it has to find it where it is.
  const stays = made.filter(
    (path) => isDatabase(path) || !moveToShared(release, sharedIn(places.top), path, null),
  );
  return stays.length === 0;
}

/** Where nothing tells what the build made, a database may be the app's. */
function holdsDatabase(release: string): boolean {
  const { isDatabase } = readTree(release, release);
  const visit = (directory: string): boolean =>
    readdirSync(join(release, directory), { withFileTypes: true }).some((entry) => {
      if (['.git', 'node_modules'].includes(entry.name)) return false;
      const path = join(directory, entry.name);
      return entry.isDirectory() ? visit(path) : isDatabase(path);
    });
  return visit('');
}
