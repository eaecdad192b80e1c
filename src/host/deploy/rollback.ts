import { renameSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type Context, inform, warn } from '../context.ts';
import { endHalfWay } from '../handover/half-way.ts';
import type { Elsewhere } from '../health/health.ts';
import { verify } from '../health/verify.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { reloadFailure, swapTimeLimit } from '../pm2/cli.ts';
import { DEPLOY_ID, type Instance } from '../pm2/list.ts';
import { makeRoom } from '../program/reserve.ts';
import { removeCurrent, saveCurrent } from '../state/current.ts';
import type { Transaction } from '../state/transaction.ts';
import { exists } from '../system/paths.ts';
import { type Moment, momentNow, startedSince, ticksOf } from '../system/processes.ts';
import { bringAbout } from './bring-about.ts';
import { restartCounters } from './commit.ts';
import { exchangeOf } from './layout.ts';
import { awaitReload, quiet } from './watch-reload.ts';

/** Beyond what PM2's own limits add up to, in milliseconds. */
const MARGIN = 10_000;

/** What processes of the old version carry as their deploy's id, once this deploy was rolled back. */
export function rollbackId(deployId: string): string {
  return `${deployId}-rollback`;
}

/**
 * Brings back the files and what PM2 ran, and verifies it by the same rules; throws where that fails. Where it does not come
 * as far as a verdict, it is tried twice, since there is no other way out: PM2's daemon or its command may have been
 * killed meanwhile, or the disk have been full.
 * `stopped` says that PM2 may still be busy with a reload that was stopped. Can be run again after a kill at any point.
 */
export async function rollBack(context: Context, transaction: Transaction, stopped: boolean): Promise<void> {
  const { pm2, places, clock, log, runDir } = context;
  const { before, deployId } = transaction;
  const runsAs = rollbackId(deployId);
  const { swapped, unhealthy } = await restore(context, transaction, runsAs, stopped).catch(
    (error: Error) => {
      warn(log, `The rollback did not reach a result. Trying once more: ${error.message}`);
      makeRoom(runDir);
      return restore(context, transaction, runsAs, true);
    },
  );
  if (unhealthy !== null) throw unhealthy;
  const names = new Set([...before.apps, ...transaction.config].map(({ name }) => name));
  // The old version runs and is verified: nothing that follows can make that a failure.
  await attempt(context, async () => {
    if (transaction.save) await clock.book('pm2', () => pm2.save([...names]));
  });
  await attempt(context, async () => {
    const { current } = transaction;
    if (current === null) removeCurrent(places.state);
    else {
      const restarts = await restartCounters(context, transaction);
      saveCurrent(places.state, { ...current, runsAs, since: swapped, restarts });
    }
  });
  await attempt(context, async () => keepForDiagnosis(context, transaction));
}

interface Restored {
  /** When the old files were back. */
  swapped: Moment;
  /** Why the old version is not healthy. */
  unhealthy: Error | null;
}

async function restore(
  context: Context,
  transaction: Transaction,
  runsAs: string,
  stopped: boolean,
): Promise<Restored> {
  const { clock } = context;
  await exchangeOf(context, transaction).swapOut();
  const swapped = transaction.restoredAt ?? momentNow();
  inform(context.log, 'The files of the old version are back.');
  await clock.book('pm2', () => waitUntilQuiet(context, transaction, stopped));
  await clock.book('pm2', () => endHalfWay(context, runsAs));
  await clock.book('pm2', () => removeAdded(context, transaction));
  return { swapped, unhealthy: await restoreApps(context, transaction, runsAs, swapped) };
}

async function attempt({ log }: Context, work: () => Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    warn(log, `After the rollback: ${(error as Error).message}`);
  }
}

async function waitUntilQuiet(
  { pm2, log }: Context,
  { before, config }: Transaction,
  stopped: boolean,
): Promise<void> {
  const limits = [...before.apps, ...config].map((app) => swapTimeLimit(app, [], pm2.install.version));
  const slowest = Math.max(0, ...limits);
  // A daemon that was killed has nothing going on any more, and no instance that serves meanwhile.
  const waits = stopped && pm2.daemonPid() !== null;
  if (waits)
    inform(
      log,
      `Waiting until PM2 is at rest, about ${Math.ceil(slowest / 1000)} s. Instances that were not replaced go on serving.`,
    );
  await quiet(pm2, before.orphans, waits ? slowest : 0, slowest + MARGIN);
}

/** Apps that only the new version has are removed: this deploy started them. */
async function removeAdded({ pm2 }: Context, { before, config, deployId }: Transaction): Promise<void> {
  const had = before.apps.map(({ name }) => name);
  const added = config.map(({ name }) => name).filter((name) => !had.includes(name));
  const instances = await pm2.list();
  await pm2.remove(instances.filter((one) => added.includes(one.name) && one.deployId === deployId));
}

async function restoreApps(
  context: Context,
  transaction: Transaction,
  runsAs: string,
  swapped: Moment,
): Promise<Error | null> {
  const { pm2, clock, log } = context;
  const { before } = transaction;
  if (before.apps.length === 0) return null;
  const config = before.apps.map((app): DeployApp => ({ ...app, env: { ...app.env, [DEPLOY_ID]: runsAs } }));
  // It is not watched, nor stopped: the broken version may crash until its turn comes, and there is no way but on.
  const { preloads } = before;
  const { healthTimeout } = transaction;
  const way = { handover: 'auto', healthUrl: null, healthTimeout, over: null } as const;
  const stays = ({ deployId, status, pid }: Instance): boolean =>
    deployId === runsAs && status === 'online' && startedSince(pid, swapped);
  const wanted = { deployId: runsAs, config, pm2Env: null, preloads, stays, ...way };
  await bringAbout(context, wanted, async (command) => {
    const result = await clock.book('pm2', () => awaitReload(pm2, command));
    if (result.code !== 0) throw reloadFailure(result);
  });
  // An app need be no better than it was: a site that was down already can be mended by a deploy alone.
  const whole = Object.entries(before.counts).filter(([, { total, online }]) => total === online);
  if (whole.length === 0) return null;
  const expected = {
    deployId: runsAs,
    instances: Object.fromEntries(whole.map(([name, { total }]) => [name, total])),
    ports: before.ports,
    after: ticksOf(swapped),
    knownOrphans: before.orphans,
    healthUrl: before.healthUrl,
    elsewhere: failedVersion(transaction),
  };
  const daemon = pm2.daemonPid();
  try {
    await clock.book('verify', () =>
      verify(pm2, expected, transaction, { tell: (text) => inform(log, text) }),
    );
    return null;
  } catch (error) {
    // Without the daemon that ran it, it is no verdict on the old version.
    if (pm2.daemonPid() !== daemon) throw error;
    return error as Error;
  }
}

/** Where the old version ran is no matter: it has to be no better than it was. */
function failedVersion({ swap }: Transaction): Elsewhere | null {
  return swap.layout === 'in-place' ? null : { directory: swap.staging, but: [] };
}

function keepForDiagnosis({ places, log }: Context, { swap, deployId }: Transaction): void {
  const { staging } = swap;
  // A release that was live before has files of the app, to which other releases lead.
  if (swap.layout === 'releases' && basename(staging) !== deployId) return;
  const broken = join(places.beside, `broken-${deployId}`);
  if (!exists(staging) || exists(broken)) return;
  renameSync(staging, broken);
  inform(log, `The version that failed is kept in ${broken} until the next deploy.`);
}
