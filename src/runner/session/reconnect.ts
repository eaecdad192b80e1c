import { setTimeout as pause } from 'node:timers/promises';
import type { HostResult, Rejoining } from '../../protocol.ts';
import { ConnectError, type ConnectErrorKind } from '../connect-error.ts';
import type { Link } from '../connection/connect.ts';
import type { Connection } from '../connection/ssh.ts';
import { BOOTSTRAP_TIMEOUT, type HostShell } from './bootstrap.ts';
import { type Course, follow } from './following.ts';
import { openShell } from './open-shell.ts';
import { SessionError } from './session-error.ts';
import { howLost, lost } from './session-failures.ts';

interface Options {
  link: Link;
  bootstrapTimeout?: number;
}

const PAUSES = [200, 1_000, 3_000, 8_000, 20_000];
const WITHIN = 75_000;

/** What another try does not change. */
const FINAL: readonly ConnectErrorKind[] = [
  'host-key',
  'authentication',
  'algorithms',
  'forwarding',
  'key',
  'passphrase',
];

/**
 * Takes up a deploy that was begun in an earlier session, and follows it to its end through as many sessions as that
 * takes. `loss` is a sentence on how the last one ended, or null for the first. Returns null if the host has not begun
 * it, and never will. Throws a `SessionError` if the host cannot be reached any more. Once `left` is aborted, nobody
 * waits for the answer, and every connection is closed.
 */
export async function takeUp(
  course: Course,
  options: Options,
  loss: string | null,
  left: AbortSignal,
): Promise<HostResult | null> {
  let how = loss;
  let patience = startPatience(options.link, how !== null);
  for (;;) {
    if (how !== null) course.log.say(`${how} Connecting again.`);
    const known = course.offset;
    const { connection, shell } = await reach(course, options, how, patience, left);
    const close = (): void => void connection.close();
    left.addEventListener('abort', close);
    try {
      left.throwIfAborted();
      const rejoining: Rejoining = {
        follow: course.plan.deployId,
        // What was begun is ended without the network.
        plan: { ...course.plan, gitToken: null },
        offset: known,
        refusal: course.cancelled.aborted
          ? String(course.cancelled.reason)
          : 'the connection was lost as it began',
      };
      const end = await follow(shell, rejoining, course);
      left.throwIfAborted();
      if (end.kind === 'result') return end.result;
      if (end.kind === 'absent') return null;
      how = howLost(course.label, end.end, course.state);
      // A connection that is lost each time before anything came is tried as often as one that does not come about.
      if (course.offset > known) patience = startPatience(options.link, true);
    } finally {
      left.removeEventListener('abort', close);
      close();
    }
  }
}

/** Connects and has the bootstrap answer, in as many tries as `patience` has. Throws a `SessionError`. */
async function reach(
  course: Course,
  options: Options,
  loss: string | null,
  patience: Patience,
  left: AbortSignal,
): Promise<{ connection: Connection; shell: HostShell }> {
  let last = '';
  for (;;) {
    const timeout = await patience.next(course.cancelled, left);
    if (timeout === null) {
      const tries = `${patience.tries()} more ${patience.tries() === 1 ? 'try' : 'tries'} to connect did not help: ${last}`;
      throw lost(loss === null ? last : `${loss} ${tries}`, course.plan.deployId, []);
    }
    let connection: Connection | null = null;
    try {
      connection = await options.link.connect(timeout);
      const shell = await openShell(
        connection,
        options.bootstrapTimeout ?? BOOTSTRAP_TIMEOUT,
        course.shellInit,
      );
      return { connection, shell };
    } catch (error) {
      void connection?.close();
      if (!(error instanceof ConnectError || error instanceof SessionError)) throw error;
      last = error.message;
      if (error instanceof ConnectError && FINAL.includes(error.kind)) patience.end();
    }
  }
}

interface Patience {
  /** Waits until the next try is due. Resolves with the milliseconds that it may take, or null if there is none. */
  next(cancelled: AbortSignal, left: AbortSignal): Promise<number | null>;
  tries(): number;
  /** No try follows. */
  end(): void;
}

/** `pauses` says whether there is one before the first try too. */
function startPatience({ pauses = PAUSES, within = WITHIN }: Link, pausesFirst: boolean): Patience {
  const deadline = performance.now() + within;
  const ahead = pausesFirst ? [...pauses] : [0, ...pauses.slice(1)];
  let tries = 0;
  return {
    tries: () => tries,
    end: () => void ahead.splice(0),
    async next(cancelled, left) {
      const most = ahead.shift();
      if (most === undefined) return null;
      await rest(most * (0.5 + Math.random() / 2), cancelled, left);
      const time = Math.floor(deadline - performance.now());
      if (time <= 0) return null;
      tries += 1;
      return time;
    },
  };
}

/** A cancel that comes meanwhile ends it, since it has to get there soon. */
async function rest(ms: number, cancelled: AbortSignal, left: AbortSignal): Promise<void> {
  const signal = cancelled.aborted ? left : AbortSignal.any([left, cancelled]);
  await pause(ms, undefined, { signal }).catch(() => {});
  left.throwIfAborted();
}
