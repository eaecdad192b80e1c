import { type Context, inform } from '../context.ts';
import { type Instance, instancesIn } from '../pm2/list.ts';
import { listenersOf } from './app-sockets.ts';
import { retire } from './hand-over.ts';

/** Two entries of one instance of an app: a handover between them was cut off. */
export interface Pair {
  older: Instance;
  newer: Instance;
}

/** Entries of the same app and number that different deploys started, or were to start. */
export function pairsIn(instances: readonly Instance[]): Pair[] {
  const inOrder = [...instances].sort((a, b) => a.pmId - b.pmId);
  return inOrder.flatMap((newer, at) => {
    const older = inOrder
      .slice(0, at)
      .find(
        (one) =>
          one.name === newer.name &&
          one.execMode === 'fork' &&
          newer.execMode === 'fork' &&
          one.instanceNumber === newer.instanceNumber &&
          newer.deployId !== null &&
          one.deployId !== newer.deployId,
      );
    return older === undefined ? [] : [{ older, newer }];
  });
}

/**
 * Leaves one entry of each pair, after a handover that was cut off: that of the deploy `wanted` if it serves, else the one
 * that was there before, if it still takes connections, else whichever serves.
 */
export async function endHalfWay({ pm2, log, places }: Context, wanted: string | null): Promise<void> {
  const own = instancesIn(places.top, await pm2.list());
  for (const { older, newer } of pairsIn(own)) {
    const serves = {
      older: listens(older),
      newer: newer.status === 'online' && listens(newer),
    };
    const keepsNewer = serves.newer && (newer.deployId === wanted || !serves.older);
    const [kept, gone] = keepsNewer ? [newer, older] : [older, newer];
    inform(
      log,
      `'${kept.name}': a handover was cut off. Its entry ${kept.pmId} in PM2 stays, entry ${gone.pmId} goes.`,
    );
    await retire({ pm2, log }, gone.pmId);
  }
}

function listens({ pid }: Instance): boolean {
  return pid > 0 && listenersOf(pid).some(({ ports }) => ports.length > 0);
}
