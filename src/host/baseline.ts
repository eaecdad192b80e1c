import { type DeployApp, expectedInstances } from './app-config.ts';
import { DeployFailure } from './failure.ts';
import { listeningPorts } from './listening.ts';
import { isWithin, realOrSame } from './paths.ts';
import { baselineConfig } from './pm2/baseline.ts';
import type { Instance, Json } from './pm2/list.ts';
import type { Pm2 } from './pm2/session.ts';
import { portIn } from './port.ts';
import { descendantsOf } from './processes.ts';
import type { Before } from './transaction.ts';
import { acceptingPorts, straysOf } from './verify.ts';

/** What PM2 runs of the apps of these names now, and how to bring it back. */
export async function readBaseline(
  pm2: Pm2,
  names: readonly string[],
): Promise<{ instances: Instance[]; before: Before }> {
  const all = await pm2.list();
  const instances = all.filter(({ name, module }) => names.includes(name) && !module);
  const counts: Before['counts'] = {};
  for (const { name, status } of instances) {
    const { total, online } = counts[name] ?? { total: 0, online: 0 };
    counts[name] = { total: total + 1, online: online + (status === 'online' ? 1 : 0) };
  }
  const accepting = await acceptingPorts(portsOf(pm2, instances, all));
  const before: Before = {
    apps: baselineConfig(instances) as DeployApp[],
    counts,
    ports: [...accepting].sort((a, b) => a - b),
    strays: straysOf(pm2, all),
    healthUrl: null,
  };
  return { instances, before };
}

/** In cluster mode PM2's daemon listens for all its workers, so that ports of other apps must be left out by their env. */
function portsOf(pm2: Pm2, instances: readonly Instance[], all: readonly Instance[]): number[] {
  const daemon = pm2.daemonPid();
  const processes = instances.map(({ pid }) => pid).filter((pid) => pid > 0);
  const listeners = processes.flatMap((pid) => [pid, ...descendantsOf(pid)]);
  if (daemon !== null && instances.some(({ execMode }) => execMode === 'cluster')) listeners.push(daemon);
  const others = all.filter((one) => !instances.includes(one)).flatMap(({ env }) => portIn(env) ?? []);
  const own = instances.flatMap(({ env }) => portIn(env) ?? []);
  const found = listeningPorts(listeners).map(({ port }) => port);
  return [...new Set([...own, ...found.filter((port) => !others.includes(port))])];
}

/** Ports that the environments of these apps name as PORT. */
export function declaredPorts(apps: readonly DeployApp[], pm2Env: string | null): number[] {
  return apps.flatMap((app) => declaredPort(app, pm2Env) ?? []);
}

export function declaredPort(app: DeployApp, pm2Env: string | null): number | null {
  return portIn({ ...app.env, ...(app[`env_${pm2Env}`] as Record<string, Json> | undefined) });
}

/** Ports on which the new version must accept connections: where its environment says, else where the old one did. */
export function expectedPorts(
  config: readonly DeployApp[],
  pm2Env: string | null,
  { apps, ports: accepted }: Before,
): number[] {
  const ports = new Set(accepted);
  for (const app of config) {
    const old = apps.find(({ name }) => name === app.name);
    const oldPort = old === undefined ? null : portIn(old.env);
    const port = declaredPort(app, pm2Env);
    // An app that never listened where its PORT says is a worker that shares an environment with others.
    if (port === null || (oldPort !== null && !accepted.includes(oldPort))) continue;
    if (oldPort !== null) ports.delete(oldPort);
    ports.add(port);
  }
  return [...ports].sort((a, b) => a - b);
}

/** Instances that must be online, by app. */
export function expectedCounts(config: readonly DeployApp[]): Record<string, number> {
  return Object.fromEntries(config.map((app) => [app.name, expectedInstances(app).count]));
}

/**
 * Apps of the last deploy that the file does not have, and that run. `last` are the names of the last deploy, where this
 * one takes the whole file.
 */
export function leftOut(
  live: string,
  last: readonly string[],
  config: readonly DeployApp[],
  all: readonly Instance[],
): string[] {
  const left = last.filter((name) => !config.some((app) => app.name === name));
  return left.filter((name) => all.some((one) => one.name === name && isWithin(live, realOrSame(one.cwd))));
}

/** What the file has left out would go on serving the old version. */
export function refuseLeftOut(running: readonly string[]): void {
  if (running.length === 0) return;
  throw new DeployFailure(
    `The ecosystem file no longer has ${running.map((name) => `'${name}'`).join(', ')}, which the last deploy started and which still runs.`,
    {
      remedy: `It would go on serving the old version. End it on the server, 'pm2 delete ${running[0]}', or put it back into the file; or name the apps to deploy with app.`,
    },
  );
}

/** An app of the same name that runs from elsewhere is another deploy's, and a reload would replace it. */
export function refuseForeign(live: string, instances: readonly Instance[]): void {
  for (const { name, cwd } of instances) {
    if (!isWithin(live, realOrSame(cwd))) {
      throw new DeployFailure(
        `PM2 runs an app named '${name}' from ${cwd}, outside ${live}: it belongs to something else.`,
        {
          remedy: `Give this app another name, or delete the other one on the server: 'pm2 delete ${name}'.`,
        },
      );
    }
  }
}
