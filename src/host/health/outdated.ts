import type { Instance } from '../pm2/list.ts';
import type { Current } from '../state/current.ts';
import { endedDeploys } from '../state/history.ts';
import type { Entry } from '../state/journal.ts';
import { startTicks, ticksOf } from '../system/processes.ts';

/**
 * Online instances that still run an older version than the files that are live: a deploy of some apps swaps the files of
 * all, and the next crash of the others boots code that nobody tried. `inLive` is all that PM2 runs from there.
 */
export function outdatedOf(
  inLive: readonly Instance[],
  current: Current | null,
  entries: readonly Entry[],
  ticksOfPid: (pid: number) => number | null = startTicks,
): Instance[] {
  const since = current === null ? null : ticksOf(current.since);
  // After a reboot, every process began with the files as they are.
  if (current === null || since === null) return [];
  const shas = new Map(
    endedDeploys(entries)
      .filter(({ outcome }) => outcome === 'deployed')
      .map(({ deploy, sha }) => [deploy, sha]),
  );
  return inLive.filter(({ status, pid, deployId }) => {
    const started = pid > 0 ? ticksOfPid(pid) : null;
    if (status !== 'online' || started === null || started > since) return false;
    return deployId === null || (deployId !== current.runsAs && shas.get(deployId) !== current.sha);
  });
}
