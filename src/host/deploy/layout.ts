import type { Staged } from '../build/stage.ts';
import type { Aside } from '../canary/own-entries.ts';
import type { Context } from '../context.ts';
import type { Head } from '../git/checkout.ts';
import type { Swap, Transaction } from '../state/transaction.ts';
import type { Generated } from '../swap/tree.ts';
import { listSwap, settle } from './in-place.ts';
import { isSwappedIn, swapIn, swapOut } from './in-place-swap.ts';
import { listRelease, settleRelease } from './releases.ts';
import { enterRelease, isEntered, leaveRelease, share } from './releases-swap.ts';

/** What makes a staged version live, by how the app's directory is laid out. */
export interface Listed extends Aside {
  swap: Swap;
  /** Makes the staged version ready to go live at once: owners, modes, and all of it on disk. */
  settle(): Promise<void>;
}

/** Lists it; refuses what would touch something of the app's own. Changes nothing in live. */
export async function listExchange(
  context: Context,
  staged: Staged,
  head: Head,
  generated: Generated | null,
): Promise<Listed> {
  if (context.plan.layout.kind === 'releases') {
    const listed = await listRelease(context, staged, head, generated);
    return { ...listed, settle: () => settleRelease(context, listed.swap) };
  }
  const listed = await listSwap(context, staged, head, generated);
  return { ...listed, settle: () => settle(context, listed.swap) };
}

/** One exchange of two versions, which any later program can go on with, whatever layout its own plan asks for. */
export interface Exchange {
  /** Puts the new version's files in place. The transaction is on disk already; the end of the swap joins it. */
  swapIn(): Promise<void>;
  /** Brings the old version's files back, from wherever `swapIn` has come. Can be run again. */
  swapOut(): Promise<void>;
  /** Whether the new version's files are all in place, whatever was written down of it. */
  isIn(): boolean;
  /** What is done with the old version's files once the new version is verified, and sentences about it. Can be run again. */
  afterwards(): Promise<string[]>;
}

export function exchangeOf(context: Context, transaction: Transaction): Exchange {
  const { swap } = transaction;
  if (swap.layout === 'releases')
    return {
      swapIn: () => enterRelease(context, transaction, swap),
      swapOut: () => leaveRelease(context, transaction, swap),
      isIn: () => isEntered(context, swap),
      afterwards: () => share(context, transaction, swap),
    };
  return {
    swapIn: () => swapIn(context, transaction, swap),
    swapOut: () => swapOut(context, transaction, swap),
    isIn: () => isSwappedIn(context, swap),
    afterwards: () => Promise.resolve([]),
  };
}
