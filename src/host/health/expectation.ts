import { dirname } from 'node:path';
import { type Places, sharedIn } from '../state/places.ts';
import type { Transaction } from '../state/transaction.ts';
import { ticksOf } from '../system/processes.ts';
import { expectedCounts } from './baseline.ts';
import type { Elsewhere, Expected } from './health.ts';
import { expectedPorts } from './ports.ts';

/** What the new version must show to count as healthy. */
export function expectationOf(transaction: Transaction): Expected {
  const { swapped, before, deployId, config, pm2Env, healthUrl, swap } = transaction;
  if (swapped === null) throw new Error('a version that was not swapped in cannot be judged');
  return {
    deployId,
    instances: expectedCounts(config),
    ports: expectedPorts(config, pm2Env, before),
    after: ticksOf(swapped),
    knownOrphans: before.orphans,
    healthUrl,
    elsewhere: swap.layout === 'in-place' ? null : outsideOf(swap.staging, dirname(dirname(swap.staging))),
  };
}

/** For the version at `release`, of an app with these places; see `outsideOf`. */
export function elsewhereOf(release: string, { top, live }: Pick<Places, 'top' | 'live'>): Elsewhere | null {
  return live === top ? null : outsideOf(release, top);
}

/**
 * All of the app's directory but this version's own, and what all versions share. In place the old version's files are gone from
 * where the new one's are: where a process stands tells nothing there.
 */
function outsideOf(release: string, top: string): Elsewhere {
  return { directory: top, but: [release, sharedIn(top)] };
}
