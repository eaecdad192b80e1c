import { dirname, join } from 'node:path';
import { type Context, inform, warn } from '../context.ts';
import { moveHead, restoreHead, trackedFiles } from '../git/checkout.ts';
import { type InPlaceSwap, saveTransaction, type Transaction } from '../state/transaction.ts';
import { loadRecord } from '../swap/record.ts';
import { bringBack, type Strays } from '../swap/strays.ts';
import { isForward, type SwapPlaces, type SwapResult, swapBackward, swapForward } from '../swap/swap.ts';
import { exists } from '../system/paths.ts';
import { requirePrivate } from '../system/private-directory.ts';
import { momentNow } from '../system/processes.ts';

export function swapPlaces({ places }: Context, { staging, kept }: InPlaceSwap): SwapPlaces {
  // Whoever may write to the parent of `path` could have exchanged them since the build.
  requirePrivate(dirname(dirname(kept)), dirname(kept));
  return { live: places.live, staging, kept };
}

/** Where the index as it was lies, for a rollback. */
function keptIndex({ kept }: InPlaceSwap): string {
  return join(kept, '..', 'index');
}

/** Puts the new version's files in place. The transaction is on disk already; the end of the swap joins it. */
export async function swapIn(context: Context, transaction: Transaction, swap: InPlaceSwap): Promise<void> {
  const { places, git } = context;
  const { current, sha } = transaction;
  const { head, kept, ops } = swap;
  tellReappeared(context, swap, swapForward(swapPlaces(context, swap), ops));
  if (head.sha !== null) {
    const tracked = await trackedFiles(git, head.sha);
    tellStrays(
      context,
      bringBack(
        kept,
        places.live,
        { tracked, generated: loadRecord(places.state, current?.record ?? null) },
        ops,
      ),
    );
  }
  await moveHead(git, head, sha, keptIndex(swap), context.plan.localChanges === 'save');
  transaction.swapped = momentNow();
  saveTransaction(places.state, transaction);
}

/** Brings the old version's files back, from wherever `swapIn` has come. Can be run again. */
export async function swapOut(context: Context, transaction: Transaction, swap: InPlaceSwap): Promise<void> {
  if (transaction.restored) return;
  const { places, git } = context;
  const { record, sha } = transaction;
  const { head, staging, ops, given } = swap;
  tellReappeared(context, swap, swapBackward(swapPlaces(context, swap), ops));
  if (exists(staging)) {
    const tracked = await trackedFiles(git, sha);
    tellStrays(
      context,
      bringBack(staging, places.live, { tracked, generated: loadRecord(places.state, record), given }, ops),
    );
  }
  await restoreHead(git, head, keptIndex(swap));
  noteRestored(context, transaction);
}

/** To be called once the old version's files are back. */
export function noteRestored({ places, log }: Context, transaction: Transaction): void {
  transaction.restored = true;
  transaction.restoredAt = momentNow();
  try {
    saveTransaction(places.state, transaction);
  } catch (error) {
    // On a full disk the app matters more: what is done already can be done again.
    warn(log, `Could not write the transaction: ${(error as Error).message}`);
  }
}

function tellReappeared({ log }: Context, { kept }: InPlaceSwap, { reappeared }: SwapResult): void {
  for (const path of reappeared) {
    warn(log, `The app wrote to ${path} while it was replaced. That copy is kept in ${kept}.reappeared.`);
  }
}

function tellStrays({ log }: Context, { brought, left }: Strays): void {
  if (brought.length > 0)
    inform(
      log,
      `The app wrote these files while they were replaced. They are back: ${brought.slice(0, 20).join(', ')}.`,
    );
  if (left.length > 0)
    warn(
      log,
      `The app wrote these files into directories that were replaced. The live directory has other ones now: ${left.slice(0, 20).join(', ')}.`,
    );
}

/** Whether the new version's files are all in place, whatever was written down of it. */
export function isSwappedIn(context: Context, swap: InPlaceSwap): boolean {
  return isForward(swapPlaces(context, swap), swap.ops);
}
