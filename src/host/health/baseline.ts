import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import type { Instance } from '../pm2/list.ts';
import { baselineConfig } from '../pm2/running-config.ts';
import type { Pm2 } from '../pm2/session.ts';
import type { Before } from '../state/transaction.ts';
import { endedWell } from './job.ts';
import { portsOf } from './ports.ts';
import { acceptingPorts, orphansOf } from './verify.ts';

/** What PM2 runs of the apps of these names now, and how to bring it back. */
export async function readBaseline(
  pm2: Pm2,
  names: readonly string[],
): Promise<{ instances: Instance[]; before: Before }> {
  const all = await pm2.list();
  const instances = all.filter(({ name, module }) => names.includes(name) && !module);
  const counts: Before['counts'] = {};
  for (const one of instances) {
    const { total, online } = counts[one.name] ?? { total: 0, online: 0 };
    const well = one.status === 'online' || endedWell(one);
    counts[one.name] = { total: total + 1, online: online + (well ? 1 : 0) };
  }
  const accepting = await acceptingPorts(portsOf(pm2, instances, all));
  const before: Before = {
    apps: baselineConfig(instances) as DeployApp[],
    counts,
    ports: [...accepting].sort((a, b) => a - b),
    orphans: orphansOf(pm2, all),
    preloads: Object.fromEntries(
      instances.flatMap(({ name, preload }) => (preload === null ? [] : [[name, preload]])),
    ),
    healthUrl: null,
  };
  return { instances, before };
}

/** Instances that must be online, by app. */
export function expectedCounts(config: readonly DeployApp[]): Record<string, number> {
  return Object.fromEntries(config.map((app) => [app.name, expectedInstances(app).count]));
}
