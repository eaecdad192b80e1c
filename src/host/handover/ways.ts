import { readFileSync } from 'node:fs';
import type { Plan } from '../../protocol.ts';
import { declaredPort } from '../health/ports.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { portIn } from '../pm2/env-port.ts';
import type { Instance } from '../pm2/list.ts';
import type { Pm2 } from '../pm2/session.ts';
import { descendantsOf } from '../system/processes.ts';
import { freeMemory, listenersOf, memoryOf } from './app-sockets.ts';
import { versionFor } from './preload-choice.ts';
import { type Way, wayOf } from './way.ts';

export interface Surroundings {
  pm2: Pick<Pm2, 'otherNode'>;
  handover: Plan['handover'];
  preloaded: boolean;
  pm2Env: string | null;
}

/** How one running instance of an app that is to run in fork mode, and does, is replaced; by what is seen of it now. */
export async function wayFor(app: DeployApp, instance: Instance, around: Surroundings): Promise<Way> {
  const { pid, name, env, status, watch } = instance;
  const listeners = pid > 0 ? listenersOf(pid) : [];
  return wayOf({
    name,
    handover: around.handover,
    version: await versionFor(app, 'fork', around.pm2, [instance]),
    preloaded: around.preloaded,
    watched: Boolean(watch) || Boolean(app.watch),
    counted: app.increment_var !== undefined && app.increment_var !== null,
    online: status === 'online' && pid > 0,
    listeners,
    oldPort: portIn(env),
    newPort: declaredPort(app, around.pm2Env),
    anyPorts: portsAtRandom(),
    memory: memoryOf([pid, ...descendantsOf(pid)]),
    free: freeMemory(),
  });
}

function portsAtRandom(): readonly [number, number] {
  try {
    const [first = 0, last = 0] = readFileSync('/proc/sys/net/ipv4/ip_local_port_range', 'latin1')
      .trim()
      .split(/\s+/)
      .map(Number);
    return [first, last];
  } catch {
    return [32_768, 60_999];
  }
}
