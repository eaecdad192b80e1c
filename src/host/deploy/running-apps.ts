import type { AppCount } from '../../protocol.ts';
import { endedWell } from '../health/job.ts';
import type { Instance } from '../pm2/list.ts';

/** Counts instances by the app's name. */
export function countsOfApps(instances: readonly Instance[]): AppCount[] {
  const names = [...new Set(instances.map(({ name }) => name))].sort((a, b) => a.localeCompare(b));
  return names.map((name) => {
    const same = instances.filter((one) => one.name === name);
    return {
      name,
      instances: same.length,
      online: same.filter((one) => one.status === 'online' && !endedWell(one)).length,
      ended: same.filter(endedWell).length,
    };
  });
}
