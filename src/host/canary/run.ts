import { rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { AppLog } from '../../protocol.ts';
import { type Context, inform, warn } from '../context.ts';
import { readAdded } from '../health/error-log.ts';
import { elsewhereOf } from '../health/expectation.ts';
import { shownUrl, troubleAtRoot } from '../health/health-request.ts';
import { type Listener, listenTo } from '../health/last-words.ts';
import { untilStable } from '../health/verify.ts';
import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import { reloadFailure } from '../pm2/cli.ts';
import type { Instance } from '../pm2/list.ts';
import { DeployFailure } from '../system/failure.ts';
import type { Chosen } from './choice.ts';
import { CANARY_OF, canaryConfig } from './config.ts';
import { localPort } from './local-url.ts';
import { type CanaryReport, preloadText, readReport } from './preload.ts';
import { type Canary, lookAt } from './watch.ts';

/** A version and its surroundings, as far as a canary needs them. */
export interface Trial {
  staging: string;
  chosen: readonly Chosen[];
  /** What PM2 runs of these apps now, and the variables of each that its ecosystem file does not give. */
  running: readonly Instance[];
  inheritedBy: (app: DeployApp) => Record<string, string>;
  /** The absolute URL that must answer 2xx; null if nothing is requested. */
  healthUrl: string | null;
}

/** How long an app took to boot in its canary, in milliseconds. Null if it never listened, or never sent `ready`. */
export interface Boot {
  name: string;
  listenMs: number | null;
  readyMs: number | null;
  /** Ports of the live app that the kernel chose: the app asks for any port, and gets another one each time. */
  byChance: number[];
}

/** How long an app took until PM2 would have gone on, in milliseconds; null if it never gave that sign. */
export function bootTime(app: DeployApp, { readyMs, listenMs }: Boot): number | null {
  return app.wait_ready === true ? readyMs : listenMs;
}

const LOG_LINES = 30;

/**
 * Boots one instance of each chosen app of the version in staging, beside the live ones and out of reach of every visitor,
 * and resolves once all of them were healthy for `stable-for`; rejects with a `DeployFailure` where they are not. Either
 * way nothing of them is left.
 */
export async function tryCanaries(context: Context, trial: Trial): Promise<Boot[]> {
  const { pm2, plan, runner } = context;
  const canaries = trial.chosen.map((chosen, at) => prepare(context, trial, chosen, at));
  const listener = listenTo(
    pm2,
    canaries.map(({ name }) => name),
    [],
  );
  const apps = canaries.map(({ config }) => config);
  const command = pm2.startOrReload({ apps, removed: {}, pm2Env: null }, [], () => {});
  let ended = false;
  // Where it fails, the look that comes next tells.
  const done = command.done.finally(() => {
    ended = true;
  });
  done.catch(() => {});
  let failed = true;
  try {
    const asked = canaries.filter(({ ports }) => ports.includes(localPort(trial.healthUrl) ?? -1));
    if (trial.healthUrl !== null && asked.length === 0)
      inform(
        context.log,
        `The canary is not asked for health-url: ${shownUrl(trial.healthUrl)} does not name its port on this host.`,
      );
    await untilStable(
      lookAt(pm2, canaries, trial.healthUrl, {
        startEnded: () => ended,
        thrown: () => listener.thrown(plan.deployId),
      }),
      plan,
      { cancelled: runner.cancelled, tell: (text) => inform(context.log, text) },
    );
    const result = await done;
    if (result.code !== 0) throw reloadFailure(result);
    if (trial.healthUrl === null) await warnAboutRoots(context, canaries);
    failed = false;
    return canaries.map((canary) => bootOf(canary, readReport(canary.report)));
  } catch (error) {
    if (!(error instanceof DeployFailure) || runner.cancelled.aborted) throw error;
    throw new DeployFailure(error.message, {
      remedy: error.remedy,
      output: error.output,
      appLogs: await appLogs(canaries, listener, plan.deployId),
      cause: error,
    });
  } finally {
    command.abort();
    await done.catch(() => {});
    listener.close();
    await removeCanaries(context).catch((error: Error) => {
      if (!failed) throw error;
      warn(context.log, `Could not remove the canary: ${error.message} The next deploy tries again.`);
    });
    for (const { files } of canaries) for (const suffix of SUFFIXES) rmSync(files + suffix, { force: true });
  }
}

const SUFFIXES = ['.cjs', '.ndjson', '-out.log', '-error.log', '.pid'];

/** Stops the canaries of this app that PM2 has, gracefully, whichever deploy left them, and takes them from its list. */
export async function removeCanaries({ pm2, places }: Pick<Context, 'pm2' | 'places'>): Promise<void> {
  const left = (await pm2.list()).filter(({ env }) => env[CANARY_OF] === places.top);
  if (left.length > 0) await pm2.remove(left);
}

function prepare({ plan, places, runDir }: Context, trial: Trial, chosen: Chosen, at: number): Canary {
  const { app } = chosen;
  const name = `${app.name}-canary-${plan.deployId}`;
  const files = join(runDir, `canary-${at}`);
  const report = `${files}.ndjson`;
  const now = trial.running.filter((one) => one.name === app.name);
  const instanceVariable = typeof app.instance_var === 'string' ? app.instance_var : 'NODE_APP_INSTANCE';
  const number = Math.max(now.length, expectedInstances(app).count);
  writeFileSync(`${files}.cjs`, preloadText(report, { name: app.name, [instanceVariable]: String(number) }), {
    mode: 0o600,
  });
  const config = canaryConfig(app, {
    name,
    top: places.top,
    live: places.live,
    staging: trial.staging,
    preload: `${files}.cjs`,
    files,
    pm2Env: plan.pm2Env,
    inherited: trial.inheritedBy(app),
    runsNow: now.length > 0,
  });
  const elsewhere = elsewhereOf(trial.staging, places);
  return { ...chosen, name, title: `${app.name} (canary)`, config, elsewhere, report, files };
}

/** Without a `health-url` nobody says which page has to answer, so that nothing seen here fails a deploy. */
async function warnAboutRoots({ log }: Context, canaries: readonly Canary[]): Promise<void> {
  for (const { title, ports, report } of canaries) {
    const { listens } = readReport(report);
    for (const port of ports) {
      const there = [...listens].reverse().find((listen) => listen.port === port);
      const trouble = there === undefined ? null : await troubleAtRoot(port, there.at);
      if (trouble !== null)
        warn(log, `'${title}': ${trouble}. Set \`health-url\` to a page that has to answer.`);
    }
  }
}

async function appLogs(canaries: readonly Canary[], listener: Listener, deployId: string): Promise<AppLog[]> {
  const heard = await listener.words(deployId, performance.now());
  return canaries.flatMap(({ name, app, files }): AppLog[] => {
    const lines =
      heard.find((words) => words.app === name)?.lines ??
      (heard.length > 0 ? [] : readAdded({}, [{ errLogPath: `${files}-error.log` }], LOG_LINES));
    return lines.length === 0 ? [] : [{ app: app.name, version: 'new', lines }];
  });
}

function bootOf({ app, ports, byChance: free }: Chosen, { listens, readyMs }: CanaryReport): Boot {
  const asked = listens.map(({ port }) => port);
  const byChance = asked.includes(0) ? free.filter((port) => !asked.includes(port)) : [];
  const times = listens
    .filter(({ port }) => port !== null && (ports.includes(port) || (port === 0 && byChance.length > 0)))
    .map(({ ms }) => ms);
  return { name: app.name, listenMs: times.length === 0 ? null : Math.min(...times), readyMs, byChance };
}
