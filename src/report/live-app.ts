import type { AppCount, HostResult } from '../protocol.ts';

/**
 * How the app stands at the end. `none`: PM2 has nothing of it, and no version of it was verified here before. `unknown`:
 * PM2 could not be asked.
 */
export type LiveApp = 'up' | 'unhealthy' | 'down' | 'none' | 'unknown';

export function liveApp({ outcome, apps, previousRun, failure, unhealthy }: HostResult): LiveApp {
  if (outcome === 'removed') return 'none';
  if (apps === null) return 'unknown';
  const { total, online } = countOf({ apps });
  if (total === 0) {
    const ran = previousRun !== '' || outcome === 'rollback-failed' || unhealthy !== null;
    return ran ? 'down' : 'none';
  }
  if (online === 0) return 'down';
  return online < total || outcome === 'rollback-failed' || unhealthy !== null || failure?.live
    ? 'unhealthy'
    : 'up';
}

/** Instances that PM2 has, and those of them that are online, over all apps. A job that has done its work counts as such. */
export function countOf({ apps }: Pick<HostResult, 'apps'>): { total: number; online: number } {
  const sum = (of: (app: AppCount) => number): number => (apps ?? []).reduce((all, app) => all + of(app), 0);
  return { total: sum(({ instances }) => instances), online: sum(({ online, ended }) => online + ended) };
}
