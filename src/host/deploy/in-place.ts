import { dirname } from 'node:path';
import type { Staged } from '../build/stage.ts';
import { type Aside, linkOwn } from '../canary/own-entries.ts';
import { type Context, warn } from '../context.ts';
import type { Head } from '../git/checkout.ts';
import type { InPlaceSwap } from '../state/transaction.ts';
import { matchOwnership } from '../swap/match-mode.ts';
import { checkSwap } from '../swap/swap.ts';
import type { Generated } from '../swap/tree.ts';
import { run } from '../system/command.ts';
import { makePrivate, requirePrivate } from '../system/private-directory.ts';
import { swapPlaces } from './in-place-swap.ts';
import { compare } from './live-checkout.ts';

/** Lists the renames that make the staged version live, and refuses where one would touch what is the app's own. */
export async function listSwap(
  context: Context,
  staged: Staged,
  head: Head,
  generatedOld: Generated | null,
): Promise<{ swap: InPlaceSwap } & Aside> {
  const { places } = context;
  const { ops, own, version } = await compare(context, staged, head, generatedOld);
  const { staging, kept } = staged;
  const swap: InPlaceSwap = { layout: 'in-place', head, staging, kept, ops, given: [...staged.given] };
  const showOwn = (): void => {
    requirePrivate(places.beside, dirname(staging));
    linkOwn(own(), places.live, staging);
  };
  return { swap, version, ownHome: places.live, showOwn };
}

/** Makes what replaces look like what it replaces, and brings the build to disk before it is relied upon. */
export async function settle(context: Context, swap: InPlaceSwap): Promise<void> {
  const places = swapPlaces(context, swap);
  makePrivate(swap.kept);
  checkSwap(places, swap.ops);
  const unlike = matchOwnership(places, swap.ops);
  if (unlike.length > 0) {
    const shown = unlike.slice(0, 5).join(', ');
    warn(context.log, `This user may not set the group or mode of the files that these replace: ${shown}.`);
  }
  // Without it a power cut soon after the swap could leave empty files where the old ones were.
  await run('sync', ['-f', swap.staging], { cwd: '/', env: context.env, timeLimit: 120_000 });
}
