import { setTimeout as sleep } from 'node:timers/promises';
import { type Boot, bootTime } from '../canary/run.ts';
import { type Context, inform, warn } from '../context.ts';
import { isInPlannedRestart } from '../health/health.ts';
import { endsByItself, isPattern } from '../health/job.ts';
import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import type { Instance } from '../pm2/list.ts';
import { restartTimes } from '../pm2/restart-times.ts';
import { killTimeoutIn, listenTimeoutOf } from '../pm2/timeouts.ts';
import { waitWhile } from './wait-while.ts';

/** Milliseconds. An app restarts once a minute at most often, as a rule. */
const WAITS_AT_MOST = 120_000;
/** Milliseconds. Most apps end long before their `kill_timeout`. */
const ENDS_WITHIN = 2_000;

/**
 * Waits until PM2 has time for a whole reload before it restarts an app by its `cron_restart`. A restart of an instance
 * that PM2 is replacing leaves it stopped, or on the old version.
 */
export async function waitForQuiet(
  { pm2, log, runner }: Context,
  config: readonly DeployApp[],
  boots: readonly Boot[],
): Promise<void> {
  const running = await pm2.list();
  const reloaded = config.filter(
    (app) => !endsByItself(app) && running.some(({ name }) => name === app.name),
  );
  const clocked = reloaded.filter((app) => patternsOf(app, running).length > 0);
  if (clocked.length === 0) return;
  const patterns = clocked.flatMap((app) => patternsOf(app, running));
  const needed = reloaded.map((app) => expectedInstances(app).count * replacing(app, boots));
  const settling = Math.max(...clocked.map((app) => replacing(app, boots)));
  // What runs is looked at next. An app that PM2 restarts at that moment would count as one that was down before.
  const isRestarted = (one: Instance): boolean =>
    clocked.some(({ name }) => name === one.name) && isInPlannedRestart(one, Date.now());
  await waitWhile(pm2, isRestarted, settling);
  const reload = needed.reduce((sum, one) => sum + one, 0);
  const times = await restartTimes(pm2.install.root, pm2.env, [...new Set(patterns)], WAITS_AT_MOST + reload);
  const wait = quietIn(times, reload, settling);
  const names = clocked.map(({ name }) => `'${name}'`).join(', ');
  if (wait === null) {
    const seconds = Math.ceil(reload / 1000);
    warn(
      log,
      `PM2 restarts ${names} by cron_restart more often than every ${seconds} s, which a reload may take. A restart in the middle of the reload can undo this deploy. Set cron_restart to less often.`,
    );
  } else if (wait > 0) {
    const seconds = Math.ceil(wait / 1000);
    inform(log, `PM2 is about to restart ${names} by cron_restart. The reload waits ${seconds} s for that.`);
    // What follows sees a cancel for itself.
    await sleep(wait, undefined, { signal: runner.cancelled }).catch(() => {});
  }
}

/**
 * How long to wait for a time in which none of `times` lies less than `reload` ahead or `settling` behind; null where none
 * comes soon. All are milliseconds, `times` from now and in order.
 */
export function quietIn(times: readonly number[], reload: number, settling: number): number | null {
  let start = 0;
  for (const time of times) {
    if (time - start >= reload) break;
    start = time + settling;
  }
  return start <= WAITS_AT_MOST ? start : null;
}

/** PM2 keeps the clock that it started with, until it has replaced the instance. */
function patternsOf(app: DeployApp, running: readonly Instance[]): string[] {
  const ofInstances = running
    .filter(({ name }) => name === app.name)
    .map(({ settings }) => settings.cron_restart);
  return [app.cron_restart, app.cron, ...ofInstances].filter(isPattern);
}

/** How long PM2 may take to replace one instance, in milliseconds. */
function replacing(app: DeployApp, boots: readonly Boot[]): number {
  const boot = boots.find(({ name }) => name === app.name);
  const took = boot === undefined ? null : bootTime(app, boot);
  const starts = took === null ? listenTimeoutOf(app) : took * 2;
  return starts + Math.min(killTimeoutIn(app), ENDS_WITHIN);
}
