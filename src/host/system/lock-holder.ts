import { fstatSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { allPids, isAlive } from './processes.ts';

/** A process that holds the lock of a file. */
export interface HolderProcess {
  pid: number;
  uid: number;
  /** The name of its program. Its arguments may hold a secret. */
  command: string;
}

/**
 * The process that took the lock (flock) of an open file, by /proc/locks, or null if it has ended: a lock outlives it in a
 * process that has the same open file.
 */
export function takerOf(descriptor: number): HolderProcess | null {
  const name = lockName(descriptor);
  const line = read('/proc/locks')
    .split('\n')
    .find((one) => one.includes('FLOCK') && one.split(/\s+/).includes(name));
  const pid = Number(line === undefined ? 0 : /\s(\d+) \S+:\S+:\d+ /.exec(line)?.[1]);
  return isAlive(pid) ? processOf(pid) : null;
}

/** A process that has the locked file open, of those into which this user may look. */
export function keeperOf(descriptor: number): HolderProcess | null {
  const name = lockName(descriptor);
  const keeps = (pid: number): boolean => {
    try {
      return readdirSync(`/proc/${pid}/fdinfo`).some((fd) => {
        const text = read(`/proc/${pid}/fdinfo/${fd}`);
        return text.includes('FLOCK') && text.includes(` ${name} `);
      });
    } catch {
      return false;
    }
  };
  const pid = allPids().find(keeps);
  return pid === undefined ? null : processOf(pid);
}

export function describeProcess({ pid, uid, command }: HolderProcess): string {
  const user = read('/etc/passwd')
    .split('\n')
    .map((line) => line.split(':'))
    .find(([, , id]) => id === String(uid))?.[0];
  return `process ${pid} (${command}) of ${user === undefined ? `the user with id ${uid}` : `the user ${user}`}`;
}

/** As the kernel names the file of a lock: `major:minor:inode`, the first two in hexadecimal. */
function lockName(descriptor: number): string {
  const { dev, ino } = fstatSync(descriptor, { bigint: true });
  const major = ((dev >> 8n) & 0xfffn) | ((dev >> 32n) & ~0xfffn);
  const minor = (dev & 0xffn) | ((dev >> 12n) & ~0xffn);
  const hex = (number: bigint): string => number.toString(16).padStart(2, '0');
  return `${hex(major)}:${hex(minor)}:${ino}`;
}

function processOf(pid: number): HolderProcess | null {
  try {
    return { pid, uid: statSync(`/proc/${pid}`).uid, command: read(`/proc/${pid}/comm`).trim() };
  } catch {
    return null;
  }
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
