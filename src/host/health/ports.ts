import type { DeployApp } from '../pm2/app-config.ts';
import { portIn } from '../pm2/env-port.ts';
import type { Instance, Json } from '../pm2/list.ts';
import type { Pm2 } from '../pm2/session.ts';
import type { Before } from '../state/transaction.ts';
import { descendantsOf } from '../system/processes.ts';
import { listeningPorts } from './listening.ts';

/** In cluster mode PM2's daemon listens for all its workers, so that ports of other apps must be left out by their env. */
export function portsOf(pm2: Pm2, instances: readonly Instance[], all: readonly Instance[]): number[] {
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

/** Ports on which the new version must accept connections: its PORT, else those of the old version. */
export function expectedPorts(
  config: readonly DeployApp[],
  pm2Env: string | null,
  { apps, ports: accepted }: Before,
): number[] {
  const ports = new Set(accepted);
  const unnamed = unnamedPort(apps, accepted);
  for (const app of config) {
    const old = apps.find(({ name }) => name === app.name);
    const oldPort = old === undefined ? null : portIn(old.env);
    const port = declaredPort(app, pm2Env);
    // An app that never listened on its PORT is a worker that shares its environment with other apps.
    if (port === null || (oldPort !== null && !accepted.includes(oldPort))) continue;
    const replaced = oldPort ?? (old === undefined ? null : unnamed);
    if (replaced !== null) ports.delete(replaced);
    ports.add(port);
  }
  return [...ports].sort((a, b) => a - b);
}

/** The port that an app took from its code or from an env file, if it can be only one port of only one app. */
function unnamedPort(apps: Before['apps'], accepted: readonly number[]): number | null {
  const named = apps.map(({ env }) => portIn(env));
  const others = accepted.filter((port) => !named.includes(port));
  const [port = null] = others;
  return others.length === 1 && named.filter((one) => one === null).length === 1 ? port : null;
}
