import type { Instance } from './list.ts';
import type { Rpc } from './rpc.ts';
import { killTimeoutOf } from './timeouts.ts';

/** Milliseconds. */
const MARGIN = 10_000;

/**
 * Stops these instances and takes them from PM2's list, all at once. By id and over the daemon's socket, since PM2's CLI
 * reads a name as a namespace, a pattern or an id where no app has it. One that is gone already is no error.
 */
export async function removeInstances(
  rpc: Rpc,
  instances: readonly Pick<Instance, 'pmId' | 'name' | 'killTimeout'>[],
): Promise<void> {
  const present = new Map(idsOf(await rpc.call('getMonitorData', [{}], MARGIN)));
  await Promise.all(
    instances
      // PM2 gives ids anew once its list is empty.
      .filter(({ pmId, name }) => present.get(pmId) === name)
      .map(({ pmId, killTimeout }) => {
        // After SIGINT PM2 waits for this, sends SIGKILL, and waits again.
        return rpc.call('deleteProcessId', [pmId], 2 * killTimeoutOf({ killTimeout }) + MARGIN);
      }),
  );
}

function idsOf(list: unknown): [id: number, name: string][] {
  const entries = Array.isArray(list) ? (list as { pm_id?: unknown; name?: unknown }[]) : [];
  return entries.map(({ pm_id, name }) => [Number(pm_id), String(name)]);
}
