import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, warn } from '../context.ts';
import { listeningPorts } from '../health/listening.ts';
import { DEPLOY_ID } from '../pm2/list.ts';
import { allPids, descendantsOf, environmentOf, isAlive } from '../system/processes.ts';
import { listenersOf } from './app-sockets.ts';

/** Milliseconds. */
const DRAINS_WITHIN = 35_000;
const ENDS_WITHIN = 5_000;
const LOOK_EVERY = 50;

/**
 * Processes of these apps that no PM2 knows any more and that listen on one of these ports: what npm or a shell started
 * lives on when PM2's daemon is killed. Only what a deploy of ours started counts, and nothing that is not in the way: an
 * app may have processes of its own that are to outlive it.
 */
export function leftProcesses(
  { pm2 }: Pick<Context, 'pm2'>,
  names: readonly string[],
  ports: readonly number[],
): number[] {
  const daemon = pm2.daemonPid();
  const known = new Set(daemon === null ? [] : [daemon, ...descendantsOf(daemon)]);
  return allPids().filter((pid) => {
    if (known.has(pid)) return false;
    const env = environmentOf(pid);
    const isOurs =
      env.get('PM2_HOME') === pm2.home &&
      names.includes(env.get('name') ?? '') &&
      env.has('pm_id') &&
      env.has(DEPLOY_ID);
    return isOurs && listeningPorts([pid]).some(({ port }) => ports.includes(port));
  });
}

/** Whether what takes over the port can listen while they still do. */
export function canShare(pids: readonly number[]): boolean {
  return pids.flatMap(listenersOf).every(({ ports, shares }) => shares || ports.length === 0);
}

/** Has them answer what is under way, and ends them. */
export async function endProcesses({ log }: Pick<Context, 'log'>, pids: readonly number[]): Promise<void> {
  if (pids.length === 0) return;
  warn(
    log,
    `Processes ${pids.join(', ')} of a PM2 that was killed still held the app's port. They are ended.`,
  );
  const draining = (): boolean => pids.some((pid) => listenersOf(pid).some(({ drains }) => drains));
  for (const pid of pids) signal(pid, 'SIGURG');
  await until(() => !draining(), DRAINS_WITHIN);
  for (const pid of pids) signal(pid, 'SIGINT');
  await until(() => !pids.some(isAlive), ENDS_WITHIN);
  for (const pid of pids) signal(pid, 'SIGKILL');
  await until(() => !pids.some(isAlive), ENDS_WITHIN);
}

async function until(done: () => boolean, timeLimit: number): Promise<void> {
  const deadline = performance.now() + timeLimit;
  while (!done() && performance.now() < deadline) await sleep(LOOK_EVERY);
}

function signal(pid: number, name: NodeJS.Signals): void {
  try {
    process.kill(pid, name);
  } catch {
    // It has ended.
  }
}
