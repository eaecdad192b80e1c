import type { Context } from '../context.ts';
import { dress } from '../handover/dress.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { type Reload, swapTimeLimit } from '../pm2/cli.ts';
import {
  type AppChange,
  configChanges,
  removable,
  unappliedSettings,
  watchedInVain,
} from '../pm2/config-change.ts';
import type { Instance } from '../pm2/list.ts';
import type { Preload } from '../pm2/preload-args.ts';
import { DeployFailure } from '../system/failure.ts';

/** What PM2 is to run. Each app carries its deploy's id in `env`. */
export interface Wanted {
  config: readonly DeployApp[];
  pm2Env: string | null;
  /** How apps are to be started with our preload, by name. */
  preloads: Readonly<Record<string, Preload>>;
  /** For a deploy: the last config, and what ran before it with all its variables. Null for a way back. */
  over: { last: readonly DeployApp[]; before: readonly DeployApp[] } | null;
}

/** For the daemon's own work beside the app's, in milliseconds. */
const MARGIN = 10_000;

/**
 * Has PM2 run these apps as their configs say, with the least downtime: a stop and a start only where nothing else does
 * it, one reload, and instances added or removed. `carryOut` waits for PM2's command. Can be run again after a kill at any
 * point, since it goes by what really runs.
 */
export async function bringAbout(
  context: Context,
  wanted: Wanted,
  carryOut: (command: Reload, running: readonly Instance[]) => Promise<void>,
): Promise<void> {
  const { pm2, clock } = context;
  const { config, over } = wanted;
  const all = await pm2.list();
  const changes = configChanges(config, all, over?.last ?? []);
  const recreated = changes.filter(({ change }) => change.kind === 'recreate');
  const dressed = changes.map((one) => {
    const app = over !== null && recreated.includes(one) ? withInherited(one, over.before) : one.app;
    return dress(app, wanted.preloads[app.name], one.running, wanted.pm2Env);
  });
  const apps = dressed.map(({ app }) => app);
  const removed = Object.fromEntries(
    changes.map((one, at) => [
      one.app.name,
      [...(over === null ? notIn(one.app, one.running) : one.removed), ...(dressed[at]?.gone ?? [])],
    ]),
  );
  for (const one of changes.flatMap(watchedInVain)) await pm2.unwatch(one);
  const gone = recreated.flatMap(({ running }) => running);
  await clock.book('pm2', () => pm2.remove(gone));
  // On the way back the instances that are too many are of the version that failed.
  if (over === null) await shrink(context, config);
  const running = all.filter((one) => !gone.includes(one) && config.some(({ name }) => name === one.name));
  await carryOut(runPm2(context, { apps, removed, pm2Env: wanted.pm2Env }, running), running);
  await grow(context, config);
  await shrink(context, config);
  await refuseLeft(context, config);
}

/** Starts PM2's command, and shows what it prints. */
function runPm2(
  { pm2, log }: Context,
  what: Parameters<Context['pm2']['startOrReload']>[0],
  running: readonly Instance[],
): Reload {
  return pm2.startOrReload(what, running, (text) => {
    // PM2 ends with a table of everything that it runs: no news, and not of this app alone.
    if (!/^[│┌├└]|^host metrics/.test(text)) log({ type: 'output', from: 'pm2', text });
  });
}

/** What ran before has all its variables in its config: any other is of the version that failed. */
function notIn({ env }: DeployApp, running: readonly Instance[]): string[] {
  return removable(
    running,
    running.flatMap((one) => Object.keys(one.env)),
    Object.keys(env),
  );
}

/** A start anew would lose the variables that an app has from the shell of its first start, and add those of this session. */
function withInherited({ app, removed }: AppChange, before: readonly DeployApp[]): DeployApp {
  const old = before.find(({ name }) => name === app.name);
  if (old === undefined) return app;
  const inherited = Object.entries(old.env).filter(([name]) => !removed.includes(name));
  return { ...app, env: { ...Object.fromEntries(inherited), ...app.env }, filter_env: [''] };
}

async function grow({ pm2, clock }: Context, config: readonly DeployApp[]): Promise<void> {
  for (const { app, change, running } of configChanges(config, await pm2.list(), [])) {
    const like = running.find(({ status }) => status === 'online');
    if (change.kind !== 'scale up' || like === undefined) continue;
    const limit = swapTimeLimit(app, [], pm2.install.version) + MARGIN;
    for (let left = change.by; left > 0; left--) {
      await clock.book('pm2', () => pm2.duplicate(like, limit));
    }
  }
}

async function shrink({ pm2, clock }: Context, config: readonly DeployApp[]): Promise<void> {
  for (const { change, running } of configChanges(config, await pm2.list(), [])) {
    if (change.kind === 'scale down') await clock.book('pm2', () => pm2.remove(running.slice(-change.by)));
  }
}

/** A PM2 that does not do what those do that are known would leave the old settings and say nothing. */
async function refuseLeft({ pm2 }: Context, config: readonly DeployApp[]): Promise<void> {
  for (const { app, running } of configChanges(config, await pm2.list(), [])) {
    const left = unappliedSettings(app, running);
    if (left.length > 0)
      throw new DeployFailure(
        `PM2 behaves unlike the versions we know: it did not apply these settings of '${app.name}': ${left.join('; ')}.`,
      );
  }
}
