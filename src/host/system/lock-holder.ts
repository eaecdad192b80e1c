import { fstatSync, readdirSync, readFileSync, type Stats } from 'node:fs';
import { allPids, isAlive } from './processes.ts';

/** A process that holds the lock of a file. */
export interface HolderProcess {
  pid: number;
  /** Of the user who started it: a program that runs as another user (setuid) keeps the locks of who called it. */
  uid: number;
  gids: readonly number[];
  /** The name of its program. Its arguments may hold a secret. */
  command: string;
}

/**
 * The processes that took the lock (flock) of an open file, by /proc/locks: one, or those that share it. A lock outlives
 * whoever took it in a process that has the same open file. One that has ended, or is hidden from us, is null.
 */
export function takersOf(descriptor: number): (HolderProcess | null)[] {
  const name = lockName(descriptor);
  return read('/proc/locks')
    .split('\n')
    .map((line) => /^\d+: FLOCK +\S+ +\S+ +(\d+) (\S+) /.exec(line))
    .filter((match) => match?.[2] === name)
    .map((match) => processOf(Number(match?.[1])));
}

/** The processes that have the locked file open, of those into which this user may look. */
export function keepersOf(descriptor: number): HolderProcess[] {
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
  return allPids()
    .filter(keeps)
    .map(processOf)
    .filter((one) => one !== null);
}

/**
 * The holders of a directory's lock as text, if none of them may write to the directory: then none is a deploy. Null if one
 * may. A holder that cannot be seen is of another user. It counts as one that may write if another user than the owner may.
 */
export function outsiders(descriptor: number, directory: Stats): string | null {
  const takers = takersOf(descriptor);
  const keepers = keepersOf(descriptor);
  const seen = [...takers.filter((one) => one !== null), ...keepers];
  const [first] = seen;
  const unseen = takers.includes(null) && keepers.length === 0;
  if (takers.length === 0 || seen.some((one) => mayWrite(one, directory))) return null;
  if (unseen && (directory.mode & 0o022) !== 0) return null;
  return first === undefined ? "another user's process, which cannot be seen" : describeProcess(first);
}

function mayWrite({ uid, gids }: HolderProcess, { mode, uid: owner, gid }: Stats): boolean {
  if (uid === 0 || uid === owner || uid === process.geteuid?.()) return true;
  return (mode & 0o002) !== 0 || ((mode & 0o020) !== 0 && gids.includes(gid));
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
  if (!isAlive(pid)) return null;
  const status = read(`/proc/${pid}/status`);
  const field = (name: string): string[] =>
    new RegExp(`^${name}:\\s*(.*)$`, 'm').exec(status)?.[1]?.trim().split(/\s+/) ?? [];
  const [uid] = field('Uid');
  const [gid] = field('Gid');
  if (uid === undefined || gid === undefined) return null;
  const gids = [gid, ...field('Groups')].map(Number);
  return { pid, uid: Number(uid), gids, command: read(`/proc/${pid}/comm`).trim() };
}

function read(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    return '';
  }
}
