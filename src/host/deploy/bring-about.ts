import type { Plan } from '../../protocol.ts';
import { localPort } from '../canary/local-url.ts';
import { type Context, inform, warn } from '../context.ts';
import { listenersOf, portsOf } from '../handover/app-sockets.ts';
import { dress } from '../handover/dress.ts';
import { handOver } from '../handover/hand-over.ts';
import { canShare, endProcesses, leftProcesses } from '../handover/left-processes.ts';
import { watchOutage } from '../handover/outage.ts';
import type { Way } from '../handover/way.ts';
import { wayFor } from '../handover/ways.ts';
import { declaredPorts } from '../health/ports.ts';
import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import { type Reload, swapTimeLimit } from '../pm2/cli.ts';
import {
  type AppChange,
  configChanges,
  removable,
  unappliedSettings,
  watchedInVain,
} from '../pm2/config-change.ts';
import type { Instance } from '../pm2/list.ts';
import { isRestarting, saysBusy } from '../pm2/own-restarts.ts';
import type { Preload } from '../pm2/preload-args.ts';
import { DeployFailure } from '../system/failure.ts';
import { waitWhile } from './wait-while.ts';

/** What PM2 is to run. Each app carries its deploy's id in `env`. */
export interface Wanted {
  deployId: string;
  config: readonly DeployApp[];
  pm2Env: string | null;
  /** How apps are to be started with our preload, by name. */
  preloads: Readonly<Record<string, Preload>>;
  handover: Plan['handover'];
  /** What an instance that takes over must answer first, absolute, and the milliseconds that it has. */
  healthUrl: string | null;
  healthTimeout: number;
  /** For a deploy: the last config, and what ran before it with all its variables. Null for a way back. */
  over: { last: readonly DeployApp[]; before: readonly DeployApp[] } | null;
  /** Whether an instance runs what is wanted already, since this was begun before. Then it stays as it is. */
  stays(one: Instance): boolean;
}

/** Waits for PM2's command; `running` is what ran as it began, of these apps at least. */
export type CarryOut = (command: Reload, running: readonly Instance[]) => Promise<void>;

/** An app as PM2 is to be given it, and the variables that its instances lose. */
interface Given {
  change: AppChange;
  app: DeployApp;
  gone: string[];
}

/** For the daemon's own work beside the app's, in milliseconds. */
const MARGIN = 10_000;

/**
 * Has PM2 run these apps as their configs say, with the least downtime: a stop and a start only where nothing else does
 * it, one reload, a handover of each instance in fork mode, and instances added or removed. `carryOut` waits for PM2's
 * command. Can be run again after a kill at any point, since it goes by what really runs.
 */
export async function bringAbout(context: Context, wanted: Wanted, carryOut: CarryOut): Promise<void> {
  const { pm2, clock } = context;
  const { config, over } = wanted;
  const changes = configChanges(config, await pm2.list(), over?.last ?? []);
  const done = changes.filter((change) => isDone(change, wanted));
  for (const { app } of done)
    inform(context.log, `'${app.name}' runs this version already, and stays as it is.`);
  const given = changes.filter((one) => !done.includes(one)).map((change) => giveTo(change, wanted));
  const ways = await waysOf(context, given, wanted);
  for (const one of changes.flatMap(watchedInVain)) await pm2.unwatch(one);
  const gone = changes.flatMap(({ change, running }) => (change.kind === 'recreate' ? running : []));
  await clock.book('pm2', () => pm2.remove(gone));
  // On the way back the instances that are too many are of the version that failed.
  if (over === null) await shrink(context, config);
  const left = leftProcesses(
    context,
    config.map(({ name }) => name),
    declaredPorts(config, wanted.pm2Env),
  );
  const inTheWay = !canShare(left);
  if (inTheWay) await endProcesses(context, left);
  const handed = given.filter(({ app }) => handovers(ways, app.name) !== null);
  const reloaded = given.filter((one) => !handed.includes(one));
  await tellingOutage(context, reloaded, ways, () => reload(context, reloaded, wanted, carryOut, gone));
  for (const one of handed) await handOverApp(context, one, ways, wanted, carryOut);
  if (!inTheWay) await endProcesses(context, left);
  await grow(context, config);
  await shrink(context, config);
  await refuseLeft(context, config);
}

function isDone({ change, running }: AppChange, { stays }: Wanted): boolean {
  return change.kind !== 'recreate' && running.length > 0 && running.every(stays);
}

function giveTo(change: AppChange, { preloads, pm2Env, over }: Wanted): Given {
  const { running, removed } = change;
  const isStarted = over !== null && change.change.kind === 'recreate';
  const app = isStarted ? withInherited(change, over.before) : change.app;
  const dressed = dress(app, preloads[app.name], running, pm2Env);
  return {
    change,
    app: dressed.app,
    gone: [...(over === null ? notIn(change.app, running) : removed), ...dressed.gone],
  };
}

/** So often PM2's command is given again. */
const MORE_ROUNDS = 5;

/** One command of PM2 for all of these apps, and further ones as long as PM2 leaves an instance out. */
async function reload(
  context: Context,
  given: readonly Given[],
  { pm2Env }: Wanted,
  carryOut: CarryOut,
  gone: readonly Instance[],
): Promise<void> {
  if (given.length === 0) return;
  const names = given.map(({ app }) => app.name);
  for (let left = MORE_ROUNDS; ; left--) {
    await untilCalm(context, given);
    const running = (await context.pm2.list()).filter(
      (one) => names.includes(one.name) && !gone.some(({ pmId }) => pmId === one.pmId),
    );
    let isBusy = false;
    const command = runPm2(context, { ...commandFor(given), pm2Env }, running, (line) => {
      isBusy ||= saysBusy(line);
    });
    await carryOut(command, running);
    // What PM2 has still left out then, the verification tells.
    if (!isBusy || left === 0) return;
    inform(context.log, 'PM2 was restarting an instance itself, and left out the rest. Reloading once more.');
  }
}

/**
 * Resolves when PM2 starts and stops no instance of these apps by itself, or has had the time for that. A command that comes
 * in between may leave PM2 with two processes for one instance, of which it lists one.
 */
async function untilCalm({ pm2 }: Context, given: readonly Given[]): Promise<void> {
  const limits = given.map(({ app }) => swapTimeLimit(app, [], pm2.install.version));
  const isBusy = (one: Instance): boolean =>
    given.some(({ app }) => app.name === one.name) && isRestarting(one, Date.now());
  await waitWhile(pm2, isBusy, Math.max(...limits));
}

function commandFor(given: readonly Given[]): { apps: DeployApp[]; removed: Record<string, string[]> } {
  return {
    apps: given.map(({ app }) => app),
    removed: Object.fromEntries(given.map(({ app, gone }) => [app.name, gone])),
  };
}

/** How each instance that does not stay is replaced, of the apps that run in fork mode and go on in it, by the app's name. */
type Ways = ReadonlyMap<string, readonly { old: Instance; way: Way }[]>;

async function waysOf(
  { pm2 }: Context,
  given: readonly Given[],
  { preloads, pm2Env, handover, stays }: Wanted,
): Promise<Ways> {
  const ways = new Map<string, { old: Instance; way: Way }[]>();
  for (const { app, change } of given) {
    const { running } = change;
    const isFork = expectedInstances(app).mode === 'fork' && running.every((one) => one.execMode === 'fork');
    if (!isFork || change.change.kind === 'recreate') continue;
    const around = { pm2, handover, preloaded: preloads[app.name] !== undefined, pm2Env };
    const replaced = running.filter((one) => !stays(one));
    const each = replaced.map(async (old) => ({ old, way: await wayFor(app, old, around) }));
    ways.set(app.name, await Promise.all(each));
  }
  return ways;
}

/** What an app's instances are handed over by, and where their successors must listen; null where one cannot be. */
function handovers(ways: Ways, name: string): { old: Instance; ports: number[] }[] | null {
  const each = ways.get(name) ?? [];
  const found = each.flatMap(({ old, way }) => (way.kind === 'handover' ? [{ old, ports: way.ports }] : []));
  return found.length > 0 && found.length === each.length ? found : null;
}

/** Says beforehand which apps are restarted, and afterwards how long nobody could reach them. */
async function tellingOutage(
  { log }: Context,
  given: readonly Given[],
  ways: Ways,
  work: () => Promise<void>,
): Promise<void> {
  const told = given.flatMap(({ app, change }) => {
    const why = (ways.get(app.name) ?? []).flatMap(({ way }) => (way.kind === 'restart' ? way.why : []))[0];
    if (why === undefined || why === null) return [];
    const ports = portsOf(change.running.flatMap(({ pid }) => (pid > 0 ? listenersOf(pid) : [])));
    if (ports.length === 0) {
      inform(log, `'${app.name}': PM2 restarts it: ${why}`);
      return [];
    }
    inform(log, `'${app.name}': PM2 restarts it, and it refuses connections meanwhile: ${why}`);
    return [{ name: app.name, outage: watchOutage(ports) }];
  });
  try {
    await work();
  } finally {
    for (const { name, outage } of told) {
      const ms = await outage.stop();
      inform(log, `'${name}': it refused connections for ${(ms / 1000).toFixed(1)} s.`);
    }
  }
}

/** Replaces the instances of one app one after the other. */
async function handOverApp(
  context: Context,
  given: Given,
  ways: Ways,
  wanted: Wanted,
  carryOut: CarryOut,
): Promise<void> {
  const { pm2, log, clock } = context;
  const { app } = given;
  const { healthUrl, deployId, healthTimeout: timeLimit } = wanted;
  const port = localPort(healthUrl);
  const start = async (id: number): Promise<void> => {
    const all = await pm2.list();
    const running = all.filter(({ name }) => name === app.name);
    const command = { ...commandFor([given]), pm2Env: wanted.pm2Env, only: id };
    const once = (): Promise<void> => carryOut(runPm2(context, command, running), all);
    await once().catch((error: Error) => {
      if (wanted.over !== null) throw error;
      // The command may have been killed. Its app is not to be restarted for that.
      warn(log, `'${app.name}': the second instance is started once more: ${error.message}`);
      return once();
    });
  };
  try {
    for (const { old, ports } of handovers(ways, app.name) ?? []) {
      const health =
        healthUrl !== null && port !== null && ports.includes(port) ? { url: healthUrl, port } : null;
      await clock.book('pm2', () => handOver(context, { old, ports, health, timeLimit, deployId, start }));
    }
  } catch (error) {
    // The way back leads on, whatever it costs.
    if (wanted.over !== null) throw error;
    warn(log, `'${app.name}': it could not be handed over, so PM2 restarts it: ${(error as Error).message}`);
    await reload(context, [given], wanted, carryOut, []);
  }
}

/** Starts PM2's command, and shows what it prints; `heard` is given each line. */
function runPm2(
  { pm2, log }: Context,
  what: Parameters<Context['pm2']['startOrReload']>[0],
  running: readonly Instance[],
  heard: (line: string) => void = () => {},
): Reload {
  return pm2.startOrReload(what, running, (text) => {
    heard(text);
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
