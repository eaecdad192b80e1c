import type { AppCount } from '../../protocol.ts';
import { endedWell } from '../health/job.ts';
import type { Instance } from '../pm2/list.ts';
import { isWithin, realOrSame } from '../system/paths.ts';

/** What PM2 runs from the app's directory; its modules run from elsewhere. */
export function instancesIn(live: string, all: readonly Instance[]): Instance[] {
  return all.filter(({ module, cwd }) => !module && isWithin(live, realOrSame(cwd)));
}

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
