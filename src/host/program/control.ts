import { closeSync, type FSWatcher, openSync, readSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type Control, LEASE, type Word } from '../../protocol.ts';
import { DeployFailure } from '../system/failure.ts';
import { type Lease, startLease } from './lease.ts';

type WordOf<Type extends Word['type']> = Extract<Word, { type: Type }>;

/** What becomes of a verified version. `silence`: the lease has ended without a word, and it stays. */
export type Verdict = WordOf<'done' | 'roll-back'> | { type: 'silence' };

/** What the runner says during the deploy. */
export interface RunnerLine {
  /** Aborted by a cancel and by the end of the lease, with a `DeployFailure` as reason. Never after `standAlone`. */
  readonly cancelled: AbortSignal;
  /** Resolves with the runner's `lock` and its `go`. Each rejects with the reason of `cancelled`. */
  lock(): Promise<WordOf<'lock'>>;
  go(): Promise<WordOf<'go'>>;
  /** Resolves with `done` or `roll-back`, whichever was said first, or at the end of the lease. */
  verdict(): Promise<Verdict>;
  /** Does work that must not stop half-way. A cancel that comes meanwhile takes effect at its end. */
  undisturbed(work: () => Promise<void>): Promise<void>;
  /** From here on the deploy needs no runner. Throws the `DeployFailure` of a cancel that came before. */
  standAlone(): void;
  close(): void;
}

const POLL_EVERY = 1_000;

/** Reads what a follower appends to the run's control file. Any byte renews the lease. */
export function listen(runDir: string, lease: Lease = startLease()): RunnerLine {
  const descriptor = openSync(join(runDir, 'control.ndjson'), 'a+', 0o600);
  const abort = new AbortController();
  let alone = false;
  let late: DeployFailure | null = null;
  let isVerified = false;
  const words = { lock: awaited<WordOf<'lock'>>(), go: awaited<WordOf<'go'>>(), verdict: awaited<Verdict>() };
  let rest = '';
  let position = 0;

  const giveUp = (failure: DeployFailure): void => {
    if (alone) late ??= failure;
    else abort.abort(failure);
  };
  const read = (): void => {
    const buffer = Buffer.alloc(4096);
    for (let size = 1; size > 0; position += size) {
      size = readSync(descriptor, buffer, 0, buffer.length, position);
      if (size > 0) lease.renew();
      rest += buffer.toString('utf8', 0, size);
    }
    const lines = rest.split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) obey(parse(line));
    if (!lease.hasEnded()) return;
    giveUp(runnerGone());
    // Not before it is asked for: until then the runner may come back and say another word.
    if (isVerified) words.verdict.take({ type: 'silence' });
  };
  const obey = (message: Control | null): void => {
    switch (message?.type) {
      case 'cancel':
        giveUp(cancelledBy(message.reason));
        break;
      // A cancel is final: a later `lock` or `go` does not count.
      case 'lock':
        if (!abort.signal.aborted) words.lock.take(message);
        break;
      case 'go':
        if (!abort.signal.aborted) words.go.take(message);
        break;
      case 'done':
      case 'roll-back':
        words.verdict.take(message);
    }
  };
  const unlessCancelled = <T>(word: Promise<T>): Promise<T> =>
    new Promise((resolve, reject) => {
      if (abort.signal.aborted) return reject(abort.signal.reason);
      abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true });
      void word.then(resolve);
    });

  // Watching is quick, but it can be refused (inotify limits) and can miss a change. Polling cannot.
  const timer = setInterval(read, POLL_EVERY);
  let watcher: FSWatcher | null = null;
  try {
    watcher = watch(join(runDir, 'control.ndjson'), read);
    watcher.on('error', () => {});
  } catch {
    watcher = null;
  }
  read();

  return {
    cancelled: abort.signal,
    lock: () => unlessCancelled(words.lock.heard),
    go: () => unlessCancelled(words.go.heard),
    verdict: () => {
      isVerified = true;
      return words.verdict.heard;
    },
    standAlone() {
      read();
      if (abort.signal.aborted) throw abort.signal.reason;
      alone = true;
    },
    async undisturbed(work) {
      alone = true;
      try {
        await work();
      } finally {
        alone = false;
        if (late !== null) giveUp(late);
      }
    },
    close() {
      clearInterval(timer);
      watcher?.close();
      closeSync(descriptor);
    },
  };
}

/** For a program that nobody can cancel: one that only ends what an earlier one left, or only looks. */
export function standsAlone(): RunnerLine {
  return {
    cancelled: new AbortController().signal,
    lock: () => Promise.resolve({ type: 'lock', ref: null }),
    go: () => Promise.resolve({ type: 'go' }),
    verdict: () => Promise.resolve({ type: 'done' }),
    undisturbed: (work) => work(),
    standAlone() {},
    close() {},
  };
}

/**
 * For a program that ends what an earlier one left of a deploy to several hosts: nobody can cancel it, but whether the version
 * stays is the runner's word still. What was said to the earlier program counts.
 */
export function hearsVerdict(runDir: string): RunnerLine {
  const { verdict, close } = listen(runDir);
  return { ...standsAlone(), verdict, close };
}

/** A word, from when it is heard on, also for those who ask later. The first one counts. */
function awaited<T>(): { heard: Promise<T>; take(word: T): void } {
  let take = (_: T): void => {};
  const heard = new Promise<T>((resolve) => {
    take = resolve;
  });
  return { heard, take: (word) => take(word) };
}

function cancelledBy(reason: string): DeployFailure {
  return new DeployFailure(`Cancelled before the new version went live: ${reason}.`);
}

function runnerGone(): DeployFailure {
  return new DeployFailure(
    `The runner was silent for ${LEASE / 1000} s. The deploy gave up before the new version went live.`,
  );
}

function parse(line: string): Control | null {
  try {
    return JSON.parse(line) as Control;
  } catch {
    return null;
  }
}
