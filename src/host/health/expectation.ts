import type { Transaction } from '../state/transaction.ts';
import { ticksOf } from '../system/processes.ts';
import { expectedCounts } from './baseline.ts';
import type { Expected } from './health.ts';
import { expectedPorts } from './ports.ts';

/** What the new version must show to count as healthy. */
export function expectationOf(transaction: Transaction): Expected {
  const { swapped, before, deployId, config, pm2Env, healthUrl } = transaction;
  if (swapped === null) throw new Error('a version that was not swapped in cannot be judged');
  return {
    deployId,
    instances: expectedCounts(config),
    ports: expectedPorts(config, pm2Env, before),
    after: ticksOf(swapped),
    knownOrphans: before.orphans,
    healthUrl,
  };
}
