import { readFileSync, realpathSync } from 'node:fs';
import { join } from 'node:path';
import { writeDurably } from '../system/durable.ts';
import { DeployFailure } from '../system/failure.ts';
import type { Rpc } from './rpc.ts';

type Entry = Record<string, unknown>;

/**
 * Writes what the apps of these names are now into the dump that PM2 resurrects from at boot, and leaves every other
 * app in it as it is: a name that PM2 runs no more leaves the dump. Atomic, and readable by its owner only, for it
 * holds the apps' environments. To be called when all of them are healthy, since a dump keeps their state.
 */
export async function saveApps(
  rpc: Rpc,
  pm2Home: string,
  names: readonly string[],
  timeLimit: number,
): Promise<void> {
  const live = entriesOf(await rpc.call('getMonitorData', [{}], timeLimit)).filter(
    (entry) => names.includes(String(entry.name)) && entry.pmx_module !== true,
  );
  const path = realPathOf(join(pm2Home, 'dump.pm2'));
  const dump = readDump(path);
  const others = dump.filter((entry) => !names.includes(String(entry?.name)));
  const first = dump.findIndex((entry) => names.includes(String(entry?.name)));
  // PM2 starts them in this order: ours keep the place that they had.
  const before = first < 0 ? others.length : first;
  const entries = [...others.slice(0, before), ...live, ...others.slice(before)];
  writeDurably(path, JSON.stringify(entries, null, 2));
}

/** What `pm2 save` keeps of each process: all of `pm2_env` but what the next start gives anew. */
function entriesOf(list: unknown): Entry[] {
  const processes = Array.isArray(list) ? (list as ({ pm2_env?: Entry } | null)[]) : [];
  return processes.flatMap((one) => {
    if (!one?.pm2_env) return [];
    const { instances: _instances, pm_id: _id, prev_restart_delay: _delay, ...kept } = one.pm2_env;
    return [kept];
  });
}

function readDump(path: string): (Entry | null)[] {
  let text: string;
  try {
    text = readFileSync(path, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
    throw unreadable(path, error);
  }
  try {
    const dump = JSON.parse(text) as unknown;
    if (Array.isArray(dump)) return dump as (Entry | null)[];
  } catch {
    // An error of JSON.parse quotes the text, which is secret.
  }
  throw unreadable(path);
}

function unreadable(path: string, cause?: unknown): DeployFailure {
  return new DeployFailure(
    `PM2's dump ${path} cannot be read, so these apps are not saved for the next boot.`,
    { remedy: 'Run `pm2 save` there once, as the user that runs PM2.', cause },
  );
}

function realPathOf(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}
