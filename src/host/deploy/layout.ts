import type { Staged } from '../build/stage.ts';
import type { Context } from '../context.ts';
import type { Head } from '../git/checkout.ts';
import type { Swap, Transaction } from '../state/transaction.ts';
import type { Surroundings } from '../swap/swap-list.ts';
import type { Generated } from '../swap/tree.ts';
import { checkLive, listSwap, saveChanges, settle } from './in-place.ts';
import { isSwappedIn, swapIn, swapOut } from './in-place-swap.ts';

/** How the app's directory is laid out, and so how one version takes the place of another. */
export interface Layout {
  /**
   * Refuses a live directory that is not as its commit and our deploys left it; gives what was changed there by hand if the
   * plan allows that. `generated` is what the last deploy built.
   */
  check(generated: Generated | null): Promise<string[]>;
  /** Saves what was changed by hand in live, and says where. */
  saveChanges(generated: Generated | null): Promise<void>;
  /** What makes the staged version live; refuses where it would touch what is the app's own. Changes nothing in live. */
  list(staged: Staged, head: Head, generated: Generated | null): Promise<Listed>;
  /** Makes the staged version ready to go live at once: owners, modes, and all of it on disk. */
  settle(swap: Swap): Promise<void>;
  /** Puts the new version's files in place. The transaction is on disk already; the end of the swap joins it. */
  swapIn(transaction: Transaction): Promise<void>;
  /** Brings the old version's files back, from wherever `swapIn` has come. Can be run again. */
  swapOut(transaction: Transaction): Promise<void>;
  /** Whether the new version's files are all in place, whatever was written down of it. */
  isIn(swap: Swap): boolean;
}

export interface Listed extends Surroundings {
  swap: Swap;
}

/** There is one layout so far: a checkout whose files are exchanged in place. */
export function layoutOf(context: Context): Layout {
  return {
    check: (generated) => checkLive(context, generated),
    saveChanges: (generated) => saveChanges(context, generated),
    list: (staged, head, generated) => listSwap(context, staged, head, generated),
    settle: (swap) => settle(context, swap),
    swapIn: (transaction) => swapIn(context, transaction),
    swapOut: (transaction) => swapOut(context, transaction),
    isIn: (swap) => isSwappedIn(context, swap),
  };
}
