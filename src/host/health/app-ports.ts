import { portIn } from '../pm2/env-port.ts';
import type { Instance } from '../pm2/list.ts';
import { descendantsOf } from '../system/processes.ts';
import { listeningPorts } from './listening.ts';

/**
 * Where one app accepts connections. PM2's daemon holds the sockets of all its cluster apps, so that of some it cannot
 * be told whose they are: these are `perhaps` this app's.
 */
export interface AppPorts {
  certain: number[];
  perhaps: number[];
}

/** Of the ports that accept connections, those of the app of this name; `all` is everything that the daemon runs. */
export function portsOfApp(name: string, all: readonly Instance[], accepting: readonly number[]): AppPorts {
  const own = all.filter((one) => one.name === name);
  const declared = accepting.filter((port) => own.some(({ env }) => portIn(env) === port));
  const first = own[0];
  if (first === undefined) return { certain: [], perhaps: [] };
  if (first.execMode === 'fork')
    return { certain: sorted([...declared, ...heldBy(own, accepting)]), perhaps: [] };

  const others = all.filter((one) => one.name !== name);
  const taken = new Set([
    ...others.flatMap(({ env }) => portIn(env) ?? []),
    ...heldBy(
      others.filter(({ execMode }) => execMode === 'fork'),
      accepting,
    ),
  ]);
  const left = accepting.filter((port) => !declared.includes(port) && !taken.has(port));
  const alone = !others.some(({ execMode }) => execMode === 'cluster');
  if (alone) return { certain: sorted([...declared, ...left]), perhaps: [] };
  return { certain: declared, perhaps: declared.length === 0 ? left : [] };
}

/** Of these ports, those that the processes listen on themselves, or what they started does. */
function heldBy(instances: readonly Instance[], ports: readonly number[]): number[] {
  const pids = instances.map(({ pid }) => pid).filter((pid) => pid > 0);
  const held = listeningPorts(pids.flatMap((pid) => [pid, ...descendantsOf(pid)])).map(({ port }) => port);
  return ports.filter((port) => held.includes(port));
}

function sorted(ports: readonly number[]): number[] {
  return [...new Set(ports)].sort((a, b) => a - b);
}
