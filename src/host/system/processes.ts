import { spawn } from 'node:child_process';
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { type Check, fields, number, text } from './checked.ts';

/**
 * When a process started, in clock ticks since boot (100 a second on Linux); null if there is no such process.
 * Pid and start together name a process for good: a reused pid has another start.
 */
export function startTicks(pid: number): number | null {
  const start = Number(statOf(pid)?.[19]);
  return Number.isInteger(start) ? start : null;
}

/** Whether the process runs. A zombie does not. */
export function isAlive(pid: number): boolean {
  const state = statOf(pid)?.[0];
  return state !== undefined && state !== 'Z' && state !== 'X';
}

/** The pids of the process's direct children. */
export function childrenOf(pid: number): number[] {
  try {
    const children: number[] = [];
    for (const task of readdirSync(`/proc/${pid}/task`)) {
      const list = readFileSync(`/proc/${pid}/task/${task}/children`, 'latin1');
      children.push(...list.split(' ').filter(Boolean).map(Number));
    }
    return children;
  } catch {
    // A kernel without these files, or a process that has just ended.
    return allPids().filter((other) => Number(statOf(other)?.[1]) === pid);
  }
}

/** The children, their children, and so on. An app that npm starts runs as one of them. */
export function descendantsOf(pid: number): number[] {
  const found: number[] = [];
  const ahead = childrenOf(pid);
  for (let next = ahead.pop(); next !== undefined; next = ahead.pop()) {
    found.push(next);
    ahead.push(...childrenOf(next));
  }
  return found;
}

/**
 * The value of `startTicks` for a process that starts now. A process with a smaller value started earlier for sure. One
 * with an equal value started within the same hundredth of a second.
 * It is read from a child of ours, because /proc/uptime counts from another moment in some containers.
 */
export function ticksNow(): number {
  const child = spawn(process.execPath, ['--version'], { stdio: 'ignore' });
  child.on('error', () => {});
  const { pid } = child;
  // Node does not reap it before this function returns, so its entry exists however short it lives.
  const ticks = pid === undefined ? null : startTicks(pid);
  child.kill('SIGKILL');
  child.unref();
  if (ticks === null) throw new Error('no child can be started, or /proc cannot be read');
  return ticks;
}

/** Names this boot of the machine: ticks and pids of another boot mean nothing. Empty if it is not known. */
export function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1').trim();
  } catch {
    return '';
  }
}

/** A point in time that no change of the clock moves. It is valid until the next boot. */
export interface Moment {
  boot: string;
  ticks: number;
}

export const moment: Check<Moment> = fields({ boot: text, ticks: number });

export function momentNow(): Moment {
  return { boot: bootId(), ticks: ticksNow() };
}

/** The moment's ticks. Null if the machine was booted since: then every process started later. */
export function ticksOf(moment: Moment): number | null {
  return moment.boot === bootId() ? moment.ticks : null;
}

/** Whether the process runs, and was started after this moment for sure. */
export function startedSince(pid: number, since: Moment): boolean {
  const [started, ticks] = [startTicks(pid), ticksOf(since)];
  return started !== null && (ticks === null || started > ticks);
}

/** The arguments of a process, its program first; none where it is gone. */
export function argumentsOf(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').split('\0');
  } catch {
    return [];
  }
}

/** The variables that a process was started with; none where it is gone, or another user's. */
export function environmentOf(pid: number): ReadonlyMap<string, string> {
  try {
    const lines = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    return new Map(
      lines.map((line) => [line.slice(0, line.indexOf('=')), line.slice(line.indexOf('=') + 1)]),
    );
  } catch {
    return new Map();
  }
}

/** The directory that a process stands in; one that is nowhere if the process is gone, or another user's. */
export function directoryOf(pid: number): string {
  const link = `/proc/${pid}/cwd`;
  // Of a directory that was removed it still tells the name.
  return targetOf(link) ?? link;
}

/**
 * Where a process stands, its program, and all files that it has open or mapped: real paths, some of them twice. None where it is
 * gone, or another user's.
 */
export function filesOf(pid: number): string[] {
  const open = namesIn(`/proc/${pid}/fd`).map((name) => `fd/${name}`);
  const links = ['cwd', 'exe', ...open].flatMap((name) => targetOf(`/proc/${pid}/${name}`) ?? []);
  return [...links, ...mappedBy(pid)];
}

function mappedBy(pid: number): string[] {
  try {
    return readFileSync(`/proc/${pid}/maps`, 'utf8').match(/\/.+$/gm) ?? [];
  } catch {
    return [];
  }
}

function targetOf(link: string): string | null {
  try {
    return readlinkSync(link);
  } catch {
    return null;
  }
}

function namesIn(directory: string): string[] {
  try {
    return readdirSync(directory);
  } catch {
    return [];
  }
}

/** All pids that this user can see. */
export function allPids(): number[] {
  return namesIn('/proc')
    .filter((name) => /^\d+$/.test(name))
    .map(Number);
}

/** The fields of /proc/PID/stat from the third (state) on. The second is a name that may hold blanks and parentheses. */
function statOf(pid: number): string[] | null {
  if (!Number.isInteger(pid) || pid <= 0) return null;
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1');
    return stat
      .slice(stat.lastIndexOf(')') + 2)
      .trim()
      .split(' ');
  } catch {
    return null;
  }
}
