import { rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Context, inform } from '../context.ts';
import { moveHead, restoreHead, trackedFiles } from '../git/checkout.ts';
import type { Git } from '../git/git.ts';
import { currentIn, sharedIn } from '../state/places.ts';
import { type ReleasesSwap, saveTransaction, type Transaction } from '../state/transaction.ts';
import { knownTree } from '../swap/known-tree.ts';
import { madeByApp, moveToShared, setLink } from '../swap/lasting-entries.ts';
import { readTree } from '../swap/live-tree.ts';
import { loadRecord } from '../swap/record.ts';
import { renameIfFree, statOf } from '../swap/rename.ts';
import { sync } from '../system/durable.ts';
import { exists, realOrSame } from '../system/paths.ts';
import { momentNow } from '../system/processes.ts';
import { noteRestored } from './in-place-swap.ts';

/** Where the index as it was lies, for a rollback. */
function keptIndex({ places }: Context, { deployId }: Transaction): string {
  return join(places.beside, deployId, 'index');
}

/** Lets the link lead to the new version, at once and for all. */
export async function enterRelease(
  context: Context,
  transaction: Transaction,
  { head, staging, previous }: ReleasesSwap,
): Promise<void> {
  const { places, git, plan } = context;
  point(places.top, staging);
  // No file that runs is of this index. What is staged in a checkout that is taken over was looked at before.
  const dropStaged = previous !== null || plan.localChanges === 'save';
  await moveHead(git, head, transaction.sha, keptIndex(context, transaction), dropStaged);
  transaction.swapped = momentNow();
  saveTransaction(places.state, transaction);
}

/** Lets the link lead back. Can be run again. */
export async function leaveRelease(
  context: Context,
  transaction: Transaction,
  { head, staging, previous }: ReleasesSwap,
): Promise<void> {
  if (transaction.restored) return;
  const { top } = context.places;
  point(top, previous);
  await bringBack(context, transaction, staging, previous ?? top);
  await restoreHead(context.git, head, keptIndex(context, transaction));
  noteRestored(context, transaction);
}

function point(top: string, release: string | null): void {
  if (release === null) rmSync(currentIn(top), { force: true });
  else setLink(release, currentIn(top));
  sync(top);
}

/** What the app wrote into the new version while that was live. */
async function bringBack(
  { places, git, log }: Context,
  { sha, record }: Transaction,
  staging: string,
  tree: string,
): Promise<void> {
  if (!exists(staging)) return;
  const made = await madeSinceBuilt(git, places.state, { release: staging, sha, record });
  const brought = (made ?? []).filter(
    (path) =>
      statOf(dirname(join(tree, path)))?.isDirectory() === true &&
      moves(join(staging, path), join(tree, path)),
  );
  if (brought.length > 0)
    inform(
      log,
      `The app wrote these files into the new version. The old version has them now: ${brought.slice(0, 20).join(', ')}.`,
    );
}

/** What cannot be moved is no reason to stop a rollback. */
function moves(from: string, to: string): boolean {
  try {
    return renameIfFree(from, to, () => {});
  } catch {
    return false;
  }
}

/** Whether the link leads to the new version. */
export function isEntered({ places }: Context, { staging }: ReleasesSwap): boolean {
  return realOrSame(currentIn(places.top)) === realOrSame(staging);
}

/**
 * Moves what is the app's own from the version that was replaced to where all versions have it. To be called once the new one is
 * verified. Says what it did. Can be run again after a kill at any point.
 */
export async function share(
  context: Context,
  transaction: Transaction,
  { own, staging, previous }: ReleasesSwap,
): Promise<string[]> {
  const { top } = context.places;
  const from = previous ?? top;
  const late = previous === null ? [] : await madeIn(context, previous, transaction);
  const moved: string[] = [];
  const left: string[] = [];
  for (const path of new Set([...own, ...late])) {
    const here = statOf(join(from, path));
    const isShared = moveToShared(from, sharedIn(top), path, staging);
    if (here !== null && !here.isSymbolicLink()) (isShared ? moved : left).push(path);
  }
  const shown = (paths: readonly string[]): string => paths.slice(0, 20).join(', ');
  return [
    ...(moved.length === 0
      ? []
      : [`Moved to ${sharedIn(top)}, with links in their places: ${shown(moved)}.`]),
    ...(left.length === 0
      ? []
      : [`These stay in ${from}, because they could not be moved to ${sharedIn(top)}: ${shown(left)}.`]),
  ];
}

async function madeIn(
  { places, git }: Context,
  release: string,
  { previousSha, current }: Transaction,
): Promise<string[]> {
  if (previousSha === null || current === null) return [];
  const version = { release, sha: previousSha, record: current.record };
  const made = await madeSinceBuilt(git, places.state, version);
  const { isDatabase } = readTree(release, release);
  // An app that has a database open must find it where it is.
  return (made ?? []).filter((path) => !isDatabase(path));
}

/** What the app has made in a version's directory since that was built; null if nothing tells what the build made. */
export async function madeSinceBuilt(
  git: Git,
  state: string,
  { release, sha, record }: { release: string; sha: string; record: string },
): Promise<string[] | null> {
  const generated = loadRecord(state, record);
  if (generated === null) return null;
  return madeByApp(release, knownTree(await trackedFiles(git, sha), generated, 'known'));
}
