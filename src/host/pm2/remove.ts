import { descendantsOf, isAlive, startTicks } from '../system/processes.ts';
import type { Instance } from './list.ts';
import type { Rpc } from './rpc.ts';
import { killTimeoutOf } from './timeouts.ts';

/** Milliseconds. */
const MARGIN = 10_000;
const POLL = 20;

type Removable = Pick<Instance, 'pmId' | 'name' | 'pid' | 'killTimeout' | 'settings'>;

/**
 * Stops these instances and takes them from PM2's list, all at once. By id and over the daemon's socket, since PM2's CLI
 * reads a name as a namespace, a pattern or an id where no app has it. One that is gone already is no error.
 * Resolves when what they started has ended too: a child of npm may hold the port longer than npm lives.
 */
export async function removeInstances(rpc: Rpc, instances: readonly Removable[]): Promise<void> {
  const present = new Map(idsOf(await rpc.call('getMonitorData', [{}], MARGIN)));
  await Promise.all(
    instances
      // PM2 gives ids anew once its list is empty.
      .filter(({ pmId, name }) => present.get(pmId) === name)
      .map(async (one) => {
        const started = startedBy(one);
        // After SIGINT PM2 waits for this, sends SIGKILL, and waits again.
        await rpc.call('deleteProcessId', [one.pmId], 2 * killTimeoutOf(one) + MARGIN);
        await endOf(started, killTimeoutOf(one));
      }),
  );
}

interface Process {
  pid: number;
  ticks: number;
}

/** The processes to which PM2 sends its SIGINT beside the instance's own. With `treekill: false` it sends none. */
function startedBy({ pid, settings }: Removable): Process[] {
  if (settings.treekill === false || pid <= 0) return [];
  return descendantsOf(pid).flatMap((child) => {
    const ticks = startTicks(child);
    return ticks === null ? [] : [{ pid: child, ticks }];
  });
}

/** Waits until these have ended, and after `patience` milliseconds ends them, as PM2 does with the instance itself. */
async function endOf(processes: readonly Process[], patience: number): Promise<void> {
  const alive = (): Process[] =>
    processes.filter(({ pid, ticks }) => isAlive(pid) && startTicks(pid) === ticks);
  const deadline = performance.now() + patience;
  while (alive().length > 0 && performance.now() < deadline) {
    await new Promise((resolve) => setTimeout(resolve, POLL));
  }
  for (const { pid } of alive()) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended, or belongs to another user.
    }
  }
}

function idsOf(list: unknown): [id: number, name: string][] {
  const entries = Array.isArray(list) ? (list as { pm_id?: unknown; name?: unknown }[]) : [];
  return entries.map(({ pm_id, name }) => [Number(pm_id), String(name)]);
}
