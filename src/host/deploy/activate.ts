import { join } from 'node:path';
import { withPatience } from '../canary/listen-timeout.ts';
import type { Boot } from '../canary/run.ts';
import { type Context, inform, warn } from '../context.ts';
import { moveHead, restoreHead, trackedFiles } from '../git/checkout.ts';
import { expectedCounts } from '../health/baseline.ts';
import type { Expected } from '../health/health.ts';
import { expectedPorts } from '../health/ports.ts';
import { saveTransaction, type Transaction } from '../state/transaction.ts';
import { loadRecord } from '../swap/record.ts';
import { bringBack, type Strays } from '../swap/strays.ts';
import { isForward, type SwapPlaces, type SwapResult, swapBackward, swapForward } from '../swap/swap.ts';
import { DeployFailure } from '../system/failure.ts';
import { exists } from '../system/paths.ts';
import { momentNow, ticksOf } from '../system/processes.ts';
import { bringAbout } from './bring-about.ts';
import { watchReload } from './watch-reload.ts';

function swapPlaces({ places }: Context, { staging, kept }: Transaction): SwapPlaces {
  return { live: places.live, staging, kept };
}

/** Where the index as it was lies, for a rollback. */
function keptIndex({ kept }: Transaction): string {
  return join(kept, '..', 'index');
}

/** Puts the new version's files in place. The transaction is on disk already; the end of the swap joins it. */
export async function swapIn(context: Context, transaction: Transaction): Promise<void> {
  const { places, git } = context;
  const { previous, current, sha, kept, ops } = transaction;
  tellReappeared(context, transaction, swapForward(swapPlaces(context, transaction), ops));
  if (previous.sha !== null) {
    const tracked = await trackedFiles(git, previous.sha as string);
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
  await moveHead(git, previous, sha, keptIndex(transaction));
  transaction.swapped = momentNow();
  saveTransaction(places.state, transaction);
}

/** Brings the old version's files back, from wherever `swapIn` has come. Can be run again. */
export async function swapOut(context: Context, transaction: Transaction): Promise<void> {
  if (transaction.restored) return;
  const { places, git } = context;
  const { previous, record, sha, staging, ops } = transaction;
  tellReappeared(context, transaction, swapBackward(swapPlaces(context, transaction), ops));
  if (exists(staging)) {
    const tracked = await trackedFiles(git, sha);
    tellStrays(
      context,
      bringBack(staging, places.live, { tracked, generated: loadRecord(places.state, record) }, ops),
    );
  }
  await restoreHead(git, previous, keptIndex(transaction));
  transaction.restored = true;
  try {
    saveTransaction(places.state, transaction);
  } catch (error) {
    // On a full disk the app matters more: what is done already can be done again.
    warn(context.log, `The transaction cannot be written: ${(error as Error).message}`);
  }
}

function tellReappeared({ log }: Context, { kept }: Transaction, { reappeared }: SwapResult): void {
  for (const path of reappeared) {
    warn(log, `${path} was written while it was replaced; that copy was kept in ${kept}.reappeared.`);
  }
}

function tellStrays({ log }: Context, { brought, left }: Strays): void {
  if (brought.length > 0)
    inform(
      log,
      `The app had written these while they were replaced; they are back: ${brought.slice(0, 20).join(', ')}.`,
    );
  if (left.length > 0)
    warn(
      log,
      `The app wrote these into directories that were replaced, and live has others now: ${left.slice(0, 20).join(', ')}.`,
    );
}

/** Whether the new version's files are all in place, whatever was written down of it. */
export function isSwappedIn(context: Context, transaction: Transaction): boolean {
  return isForward(swapPlaces(context, transaction), transaction.ops);
}

/** Has PM2 run the new version's apps; at the first sign that they fail, PM2's command is stopped. */
export async function reload(
  context: Context,
  transaction: Transaction,
  boots: readonly Boot[],
): Promise<void> {
  const { pm2Env, deployId, current, before } = transaction;
  const { config, advice } = withPatience(transaction.config, boots);
  for (const text of advice) warn(context.log, text);
  const over = { last: current?.config ?? [], before: before.apps };
  await bringAbout(context, { config, pm2Env, over }, async (command, running) => {
    const trouble = await context.clock.book('pm2', () =>
      watchReload(context.pm2, command, deployId, running),
    );
    if (trouble !== null) throw new DeployFailure(`While PM2 reloaded, ${trouble}; the reload was stopped.`);
    inform(context.log, "PM2's command has ended. What really runs is looked at now.");
  });
}

/** What the new version must show to count as healthy. */
export function expectationOf(transaction: Transaction): Expected {
  const { swapped, before, deployId, config, pm2Env, healthUrl } = transaction;
  if (swapped === null) throw new Error('a version that was not swapped in cannot be judged');
  return {
    deployId,
    instances: expectedCounts(config),
    ports: expectedPorts(config, pm2Env, before),
    after: ticksOf(swapped),
    knownOrphans: before.orphans,
    healthUrl,
  };
}
