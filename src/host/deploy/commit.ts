import { basename } from 'node:path';
import { type Context, inform, warn } from '../context.ts';
import type { Expected } from '../health/health.ts';
import { instancesIn } from '../pm2/list.ts';
import { type Current, saveCurrent } from '../state/current.ts';
import { subjectOf } from '../state/journal.ts';
import { type ReplacedFiles, saveReplaced } from '../state/replaced.ts';
import type { Swap, Transaction } from '../state/transaction.ts';
import type { Moment } from '../system/processes.ts';
import { exchangeOf } from './layout.ts';
import { upkeepOf } from './upkeep.ts';

/** Records that the version was verified. From here on it is what a rollback goes back to. */
export async function commit(context: Context, transaction: Transaction, expected: Expected): Promise<void> {
  const { deployId, sha, fingerprint, record, config, swapped } = transaction;
  if (swapped === null) throw new Error('a version that was not swapped in cannot be committed');
  keepReplaced(context, transaction);
  saveCurrent(context.places.state, {
    deployId,
    sha,
    fingerprint,
    record,
    config,
    runsAs: deployId,
    since: swapped,
    ports: [...expected.ports],
    restarts: await restartCounters(context, transaction),
    abi: transaction.abi,
  });
  context.journal.end(subjectOf(transaction, sha), 'committed', 'deployed');
  try {
    await context.clock.book('pm2', () => removeLeftOut(context, transaction));
    const names = [...config.map(({ name }) => name), ...transaction.leftOut];
    if (transaction.save) await context.clock.book('pm2', () => context.pm2.save(names));
  } catch (error) {
    // The version runs and is verified: an old dump is not worth taking it down.
    warn(
      context.log,
      `Could not save PM2's list, so a reboot may start the old settings: ${(error as Error).message}`,
    );
  }
  try {
    for (const text of await exchangeOf(context, transaction).afterwards()) inform(context.log, text);
  } catch (error) {
    // The next deploy tries again.
    warn(context.log, `The app's own files could not be moved: ${(error as Error).message}`);
  }
  if (transaction.current !== null) return;
  // It is advice alone.
  for (const text of await upkeepOf(context).catch(() => [])) inform(context.log, text);
}

/** Notes what makes the version before this one whole again, out of the files that the swap has put aside. */
function keepReplaced(
  { places }: Context,
  { deployId, record, current, previousSha, swap, swapped }: Transaction,
): void {
  // What no deploy verified, or was moved by hand since, is not a version to go back to.
  if (current === null || current.sha !== previousSha) return;
  const { sha, fingerprint, abi } = current;
  const files = filesOf(swap, swapped);
  if (files === null) return;
  saveReplaced(places.state, {
    deployId,
    over: record,
    sha,
    record: current.record,
    fingerprint,
    abi,
    files,
  });
}

/** Null if the version before had no directory of its own and none was put aside. */
function filesOf(swap: Swap, until: Moment | null): ReplacedFiles | null {
  if (swap.layout === 'in-place') return { layout: 'in-place', ops: swap.ops };
  return swap.previous === null ? null : { layout: 'releases', release: basename(swap.previous), until };
}

/** What a deploy's own reload has counted is no restart of the app. */
export async function restartCounters(
  { pm2 }: Pick<Context, 'pm2'>,
  { config, before }: Pick<Transaction, 'config' | 'before'>,
): Promise<Current['restarts']> {
  const names = [...config, ...before.apps].map(({ name }) => name);
  try {
    const own = (await pm2.list()).filter(({ name }) => names.includes(name));
    return Object.fromEntries(own.map(({ pmId, restartTime }) => [pmId, restartTime]));
  } catch {
    // It is for the report alone.
    return null;
  }
}

async function removeLeftOut({ pm2, places, log }: Context, { leftOut }: Transaction): Promise<void> {
  if (leftOut.length === 0) return;
  const left = instancesIn(places.top, await pm2.list()).filter(({ name }) => leftOut.includes(name));
  await pm2.remove(left);
  inform(log, `Removed from PM2, because this version does not have them: ${leftOut.join(', ')}.`);
}
