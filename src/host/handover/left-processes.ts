import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, warn } from '../context.ts';
import { DEPLOY_ID } from '../pm2/list.ts';
import { allPids, descendantsOf, isAlive } from '../system/processes.ts';
import { listenersOf } from './app-sockets.ts';

/** Milliseconds. */
const DRAINS_WITHIN = 35_000;
const ENDS_WITHIN = 5_000;
const LOOK_EVERY = 50;

/**
 * Processes of these apps that no PM2 knows any more: in fork mode they live on when their daemon is killed, and hold the
 * port. Only what a deploy of ours started counts.
 */
export function leftProcesses({ pm2 }: Pick<Context, 'pm2'>, names: readonly string[]): number[] {
  const daemon = pm2.daemonPid();
  const known = new Set(daemon === null ? [] : [daemon, ...descendantsOf(daemon)]);
  return allPids().filter((pid) => {
    if (known.has(pid)) return false;
    const env = environmentOf(pid);
    return (
      env.get('PM2_HOME') === pm2.home &&
      names.includes(env.get('name') ?? '') &&
      env.has('pm_id') &&
      env.has(DEPLOY_ID)
    );
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
    `Processes ${pids.join(', ')} of a PM2 that was killed still ran, and no PM2 knew them. They are ended.`,
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

function environmentOf(pid: number): ReadonlyMap<string, string> {
  try {
    const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return new Map(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  } catch {
    return new Map();
  }
}
