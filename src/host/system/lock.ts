import { spawnSync } from 'node:child_process';
import { closeSync, constants, existsSync, fchownSync, fstatSync, openSync, rmSync, statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Plan } from '../../protocol.ts';
import { readIfThere, writeDurably } from './durable.ts';
import { DeployFailure } from './failure.ts';
import { describeProcess, keepersOf, outsiders, takersOf } from './lock-holder.ts';

export interface Lock {
  readonly descriptors: readonly number[];
  /** Gives the lock up for every holder: what a command of the deploy left running keeps nobody waiting. */
  release(): void;
}

/** The locks that this program holds. Git and PM2 children get them: if the program is killed, a lock is held as long as any holder lives. */
export type HeldLocks = Set<Lock>;

export function descriptorsOf(held: HeldLocks): number[] {
  return [...held].flatMap(({ descriptors }) => descriptors);
}

/** What a lock is made of. Whoever takes it takes all of it, in this order. */
export interface LockFiles {
  /** Files with mode 0600. A missing one is made. Only who may deploy can open one, so nobody else can hold its lock. */
  own: readonly string[];
  /**
   * The directory that is changed. It is the same for every user and every link to it, and older versions lock nothing else.
   * But whoever may read it can hold its lock. So a holder who may not write to it does not count.
   */
  directory: string;
  /** Here the holder writes its name. That is information only, and decides nothing. */
  note: string;
}

interface Holder {
  run: Plan['run'];
  since: string;
}

interface Wait {
  /** Milliseconds. */
  timeLimit: number;
  cancel: AbortSignal;
  onWait: (text: string) => void;
}

const RETRY_EVERY = 500;

/**
 * Takes the kernel's locks on these files. Waits up to the time limit. The kernel releases them when their last holder ends,
 * however it ends. The lock is in `held` until it is released.
 */
export async function takeLock(
  held: HeldLocks,
  files: LockFiles,
  run: Plan['run'],
  wait: Wait,
): Promise<Lock> {
  const deadline = performance.now() + wait.timeLimit;
  const descriptors: number[] = [];
  let late: NodeJS.Timeout | null = null;
  try {
    for (const own of files.own) {
      const descriptor = openOwn(own);
      if (descriptor === null) continue;
      descriptors.push(descriptor);
      await seize(descriptor, files, deadline, wait);
    }
    const descriptor = openSync(files.directory, 'r');
    descriptors.push(descriptor);
    if (!(await seize(descriptor, files, deadline, wait))) late = seizeLater(descriptor);
  } catch (error) {
    for (const descriptor of descriptors) closeSync(descriptor);
    throw error;
  }
  try {
    writeDurably(files.note, JSON.stringify({ run, since: new Date().toISOString() } satisfies Holder));
  } catch {
    // On a full disk nobody can read who holds the lock. It is held all the same.
  }
  const lock: Lock = {
    descriptors,
    release() {
      if (late !== null) clearInterval(late);
      held.delete(lock);
      rmSync(files.note, { force: true });
      for (const descriptor of descriptors) {
        unlock(descriptor);
        closeSync(descriptor);
      }
    },
  };
  held.add(lock);
  return lock;
}

/** Who holds the lock now; null if nobody does. Writes nothing. */
export function holderOf(files: LockFiles): string | null {
  for (const file of [...files.own, files.directory]) {
    const descriptor = openIfReadable(file);
    if (descriptor === null) continue;
    try {
      // If it is free, we hold it for an instant. Whoever asks just then asks again.
      if (tryLock(descriptor) || outsidersAt(descriptor, files) !== null) continue;
      return describeHolder(descriptor, files.note);
    } finally {
      closeSync(descriptor);
    }
  }
  return null;
}

/** The pids of the processes that hold any lock of these files, of those into which this user may look. */
export function keepersOfLock({ own, directory }: LockFiles): number[] {
  const pids = [...own, directory].flatMap((file) => {
    const descriptor = openIfReadable(file);
    if (descriptor === null) return [];
    try {
      return keepersOf(descriptor).map(({ pid }) => pid);
    } finally {
      closeSync(descriptor);
    }
  });
  return [...new Set(pids)];
}

/** Waits until the lock of one file is ours. False if it is the directory's, and held by somebody who does not count. */
async function seize(descriptor: number, files: LockFiles, deadline: number, wait: Wait): Promise<boolean> {
  let told = '';
  while (!tryLock(descriptor)) {
    const outside = outsidersAt(descriptor, files);
    if (outside !== null) {
      wait.onWait(
        `The lock of ${files.directory} is held by ${outside}. That is no deploy: it may not write there. So this run goes on without that lock.`,
      );
      return false;
    }
    const holder = describeHolder(descriptor, files.note);
    if (performance.now() >= deadline) {
      throw new DeployFailure(
        `Gave up after ${Math.round(wait.timeLimit / 1000)} s (lock-timeout): another deploy holds the lock of ${files.directory}: ${holder}.`,
        {
          remedy:
            'Let that deploy end, or cancel it. If the process is no deploy, end it. Then run this job again. A lock ends with its holder; nothing breaks it.',
        },
      );
    }
    if (holder !== told) wait.onWait(`Waiting for the lock of ${files.directory}: held by ${holder}.`);
    told = holder;
    await pause(Math.min(RETRY_EVERY, deadline - performance.now()), wait.cancel);
  }
  return true;
}

/** Takes a lock as soon as it is free, so that a deploy of an older version waits for us. */
function seizeLater(descriptor: number): NodeJS.Timeout {
  const timer = setInterval(() => {
    if (tryLock(descriptor)) clearInterval(timer);
  }, RETRY_EVERY);
  return timer.unref();
}

/** Those who hold the directory's lock, as text, if none of them may write to it. Null otherwise. */
function outsidersAt(descriptor: number, { directory }: LockFiles): string | null {
  const isDirectory = fstatSync(descriptor).isDirectory();
  return isDirectory ? outsiders(descriptor, statSync(directory)) : null;
}

/** Opens a lock file, or makes one that belongs to the owner of its directory. Null if another user keeps it to himself. */
function openOwn(file: string): number | null {
  const { O_RDWR, O_CREAT, O_NOFOLLOW } = constants;
  try {
    const descriptor = openSync(file, O_RDWR | O_CREAT | O_NOFOLLOW, 0o600);
    const owner = statSync(dirname(file));
    if (process.geteuid?.() === 0 && owner.uid !== 0) fchownSync(descriptor, owner.uid, owner.gid);
    return descriptor;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return null;
    throw error;
  }
}

function openIfReadable(file: string): number | null {
  if (!existsSync(file)) return null;
  try {
    return openSync(file, 'r');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EACCES') return null;
    throw error;
  }
}

/** Node has no flock(2). The `flock` of util-linux or busybox locks the open file that we pass, and the file stays ours. */
function tryLock(descriptor: number): boolean {
  const result = spawnSync('flock', ['-n', '3'], { stdio: ['ignore', 'ignore', 'pipe', descriptor] });
  if (result.error) {
    throw new DeployFailure("The command 'flock' is not on this host.", {
      remedy: 'Install util-linux (Debian, Ubuntu, RHEL) or busybox (Alpine).',
      cause: result.error,
    });
  }
  const complaint = result.stderr.toString().trim();
  if (result.status !== 0 && complaint !== '')
    throw new DeployFailure(`The lock cannot be taken: ${complaint}`);
  return result.status === 0;
}

/** Closing is not enough: whoever was given the open file would keep it locked. */
function unlock(descriptor: number): void {
  spawnSync('flock', ['-u', '3'], { stdio: ['ignore', 'ignore', 'ignore', descriptor] });
}

/** Whoever may read a directory can hold its lock: a note that an ended deploy of ours left says nothing of them. */
function describeHolder(descriptor: number, note: string): string {
  const [taker] = takersOf(descriptor);
  if (taker && taker.uid !== process.geteuid?.()) return describeProcess(taker);
  try {
    const { run, since } = JSON.parse(readIfThere(note) ?? '') as Holder;
    return `${run.actor}, ${run.url}, since ${since}`;
  } catch {
    const holder = taker ?? keepersOf(descriptor)[0];
    return holder === undefined
      ? "another user's process, or one that left no name (run 'lslocks' as root on the server)"
      : describeProcess(holder);
  }
}

function pause(ms: number, cancel: AbortSignal): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => {
      clearTimeout(timer);
      reject(cancel.reason);
    };
    const timer = setTimeout(
      () => {
        cancel.removeEventListener('abort', onAbort);
        resolve();
      },
      Math.max(ms, 0),
    );
    if (cancel.aborted) onAbort();
    else cancel.addEventListener('abort', onAbort, { once: true });
  });
}
