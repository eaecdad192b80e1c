import { spawnSync } from 'node:child_process';
import { closeSync, existsSync, openSync, rmSync } from 'node:fs';
import type { Plan } from '../../protocol.ts';
import { readIfThere, writeDurably } from './durable.ts';
import { DeployFailure } from './failure.ts';
import { describeProcess, keeperOf, takerOf } from './lock-holder.ts';

export interface Lock {
  readonly descriptor: number;
  release(): void;
}

/** The locks that this program holds. Git and PM2 children get them: a lock is held as long as any holder lives. */
export type HeldLocks = Set<Lock>;

export function descriptorsOf(held: HeldLocks): number[] {
  return [...held].map(({ descriptor }) => descriptor);
}

interface Holder {
  run: Plan['run'];
  since: string;
}

const RETRY_EVERY = 500;

/**
 * Takes the kernel's lock on the directory itself, which is the same for every user and every link to it. Waits up to
 * `timeLimit` milliseconds. The kernel releases the lock when its last holder ends, however it ends.
 * The holder writes its name into `note`. That is information only, and decides nothing. The lock is in `held` until it is
 * released.
 */
export async function takeLock(
  held: HeldLocks,
  directory: string,
  note: string,
  run: Plan['run'],
  wait: { timeLimit: number; cancel: AbortSignal; onWait: (text: string) => void },
): Promise<Lock> {
  const descriptor = openSync(directory, 'r');
  const deadline = performance.now() + wait.timeLimit;
  let told = '';
  try {
    while (!tryLock(descriptor)) {
      const holder = describeHolder(descriptor, note);
      if (performance.now() >= deadline) {
        throw new DeployFailure(
          `Gave up after ${Math.round(wait.timeLimit / 1000)} s (lock-timeout): another deploy holds the lock of ${directory}: ${holder}.`,
          {
            remedy:
              'Let that deploy end, or cancel it. If the process is no deploy, end it. Then run this job again. A lock ends with its holder; nothing breaks it.',
          },
        );
      }
      if (holder !== told) wait.onWait(`Waiting for the lock of ${directory}: held by ${holder}.`);
      told = holder;
      await pause(Math.min(RETRY_EVERY, deadline - performance.now()), wait.cancel);
    }
  } catch (error) {
    closeSync(descriptor);
    throw error;
  }
  try {
    writeDurably(note, JSON.stringify({ run, since: new Date().toISOString() } satisfies Holder));
  } catch {
    // On a full disk nobody can read who holds the lock. It is held all the same.
  }
  const lock: Lock = {
    descriptor,
    release() {
      held.delete(lock);
      rmSync(note, { force: true });
      closeSync(descriptor);
    },
  };
  held.add(lock);
  return lock;
}

/** Who holds the lock of a directory now; null if nobody does. Writes nothing. */
export function holderOf(directory: string, note: string): string | null {
  if (!existsSync(directory)) return null;
  const descriptor = openSync(directory, 'r');
  try {
    // If it is free, we hold it for an instant. Whoever asks just then asks again.
    return tryLock(descriptor) ? null : describeHolder(descriptor, note);
  } finally {
    closeSync(descriptor);
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

/** Whoever may read a directory can hold its lock: a note that an ended deploy of ours left says nothing of them. */
function describeHolder(descriptor: number, note: string): string {
  const taker = takerOf(descriptor);
  if (taker !== null && taker.uid !== process.geteuid?.()) return describeProcess(taker);
  try {
    const { run, since } = JSON.parse(readIfThere(note) ?? '') as Holder;
    return `${run.actor}, ${run.url}, since ${since}`;
  } catch {
    const holder = taker ?? keeperOf(descriptor);
    return holder === null
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
