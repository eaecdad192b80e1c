import { closeSync, type FSWatcher, openSync, readSync, watch } from 'node:fs';
import { join } from 'node:path';
import { type Control, LEASE } from '../../protocol.ts';
import { DeployFailure } from '../system/failure.ts';
import { startLease } from './lease.ts';

/** What the runner says during the deploy. */
export interface RunnerLine {
  /** Aborted by a cancel and by the end of the lease, with a `DeployFailure` as reason. Never after `standAlone`. */
  readonly cancelled: AbortSignal;
  /** Resolves with the runner's `go`. Rejects with the reason of `cancelled`. */
  go(): Promise<void>;
  /** Does work that must not stop half-way. A cancel that comes meanwhile takes effect at its end. */
  undisturbed(work: () => Promise<void>): Promise<void>;
  /** From here on the deploy needs no runner. Throws the `DeployFailure` of a cancel that came before. */
  standAlone(): void;
  close(): void;
}

const POLL_EVERY = 1_000;

/** Reads what a follower appends to the run's control file. Any byte renews the lease. */
export function listen(runDir: string): RunnerLine {
  const descriptor = openSync(join(runDir, 'control.ndjson'), 'a+', 0o600);
  const abort = new AbortController();
  let alone = false;
  let late: DeployFailure | null = null;
  let went = false;
  let announceGo = (): void => {};
  let rest = '';
  let position = 0;
  const lease = startLease();

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
    if (lease.hasEnded()) giveUp(runnerGone());
  };
  const obey = (message: Control | null): void => {
    if (message?.type === 'cancel') giveUp(cancelledBy(message.reason));
    // A cancel is final: a later `go` does not count.
    if (message?.type === 'go' && !abort.signal.aborted) {
      went = true;
      announceGo();
    }
  };

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
    go: () =>
      new Promise((resolve, reject) => {
        if (abort.signal.aborted) return reject(abort.signal.reason);
        if (went) return resolve();
        announceGo = resolve;
        abort.signal.addEventListener('abort', () => reject(abort.signal.reason), { once: true });
      }),
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
    go: () => Promise.resolve(),
    undisturbed: (work) => work(),
    standAlone() {},
    close() {},
  };
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
