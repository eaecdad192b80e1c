import type { Event, HostResult, Opening, Plan } from '../../protocol.ts';
import type { Link } from '../connection/connect.ts';
import type { Connection } from '../connection/ssh.ts';
import { BOOTSTRAP_TIMEOUT, openShell } from './bootstrap.ts';
import { type Course, follow } from './following.ts';
import { takeUp } from './reconnect.ts';
import {
  cancelledBefore,
  cancelledUnanswered,
  howLost,
  lost,
  neverBegan,
  stillAtWork,
} from './session-failures.ts';

export interface FollowedDeploy {
  /** Shell commands of the user's that make Node findable. */
  shellInit: string | null;
  /** Milliseconds that the host may take to answer the bootstrap. */
  bootstrapTimeout?: number;
  onEvent(event: Event): void;
  /** Says a line of ours about the connection. */
  say?(text: string): void;
}

export interface SessionOptions extends FollowedDeploy {
  connection: Connection;
  /** Source text of the host program. */
  program: string;
  plan: Plan;
  /** How to connect again; without it a lost connection cannot be helped. */
  link?: Link;
  /** Aborted where the deploy is to be given up; its reason is a text. */
  cancelled?: AbortSignal;
}

export interface FollowUpOptions extends FollowedDeploy {
  label: string;
  plan: Plan;
  link: Link;
  /** Why it is cancelled. */
  reason: string;
  /** Milliseconds in all. */
  within: number;
}

/**
 * How long a cancelled deploy is waited for, in milliseconds. GitHub sends SIGTERM 7.5 s after SIGINT; in between fall
 * the end of the connection, which may take a second, and the report.
 */
const CANCEL_WAIT = 4_500;

/**
 * Carries out one deploy on one host, and follows it to its end, also through lost connections.
 * Throws a `SessionError` where it does not begin, or cannot be followed to its end, and a `ConnectError` where the host
 * opens no session for it. `connection` stays the caller's to close.
 */
export async function deployOnHost(options: SessionOptions): Promise<HostResult> {
  const { connection, program, plan, link } = options;
  const { label } = connection;
  const { deployId } = plan;
  const cancelled = options.cancelled ?? new AbortController().signal;
  const course = startCourse(options, { label, plan, cancelled, begun: false });
  const opening: Opening = { program, plan };

  const carryOut = async (left: AbortSignal): Promise<HostResult> => {
    const shell = await openShell(connection, options.bootstrapTimeout ?? BOOTSTRAP_TIMEOUT);
    if (cancelled.aborted) throw cancelledBefore(label);
    const end = await follow(shell, opening, course);
    if (end.kind === 'result') return end.result;
    if (end.kind === 'absent') throw neverBegan(label);
    const how = howLost(label, end.end, course.state);
    if (link === undefined) throw lost(how, deployId, end.complaints);
    void connection.close();
    const taken = await takeUp(course, { ...options, link }, how, left);
    if (taken === null) throw neverBegan(label);
    return taken;
  };
  return unless(carryOut, (stop) => {
    const onCancel = (): NodeJS.Timeout | undefined => {
      if (!course.begun) {
        stop(cancelledBefore(label));
        return undefined;
      }
      options.say?.(`Cancelled: telling ${label} to give the deploy up.`);
      return setTimeout(
        () => stop(cancelledUnanswered(label, deployId, course.state, CANCEL_WAIT / 1000)),
        CANCEL_WAIT,
      );
    };
    return whenAborted(cancelled, onCancel);
  });
}

/**
 * Cancels a deploy whose runner is gone, and follows it to its end. The cancel is final: what the host has not begun by
 * now never begins, and then the answer is null; what has gone live already goes on. Throws a `SessionError`.
 */
export async function followUp(options: FollowUpOptions): Promise<HostResult | null> {
  const { label, plan, within } = options;
  const cancelled = AbortSignal.abort(options.reason);
  const course = startCourse(options, { label, plan, cancelled, begun: true });
  return unless(
    (left) => takeUp(course, options, null, left),
    (stop) => {
      const timer = setTimeout(
        () => stop(stillAtWork(label, plan.deployId, course.state, within / 1000)),
        within,
      );
      return () => clearTimeout(timer);
    },
  );
}

/** Waits for a connection, unless the deploy is cancelled before there is one. Throws what `connecting` does, or a `SessionError`. */
export function unlessCancelled(
  connecting: Promise<Connection>,
  label: string,
  cancelled: AbortSignal,
): Promise<Connection> {
  return unless(
    (left) => {
      left.addEventListener('abort', () => void connecting.then((late) => late.close()).catch(() => {}));
      return connecting;
    },
    (stop) =>
      whenAborted(cancelled, () => {
        stop(cancelledBefore(label));
        return undefined;
      }),
  );
}

export function startCourse(
  { shellInit, onEvent }: FollowedDeploy,
  known: Pick<Course, 'label' | 'plan' | 'cancelled' | 'begun'>,
): Course {
  return { ...known, shellInit, onEvent, offset: 0, state: null };
}

/** Does the work, unless `watch` stops it before its end; the signal tells the work, which then goes nowhere. */
export function unless<T>(
  work: (stopped: AbortSignal) => Promise<T>,
  watch: (stop: (error: Error) => void) => () => void,
): Promise<T> {
  const stopped = new AbortController();
  let unwatch = (): void => {};
  return new Promise<T>((resolve, reject) => {
    unwatch = watch((error) => {
      reject(error);
      stopped.abort();
    });
    work(stopped.signal).then(resolve, reject);
  }).finally(() => unwatch());
}

/** Calls back once the signal is aborted, at once where it is; the function that is returned ends what this began. */
export function whenAborted(signal: AbortSignal, start: () => NodeJS.Timeout | undefined): () => void {
  let timer: NodeJS.Timeout | undefined;
  const onAbort = (): void => {
    timer = start();
  };
  if (signal.aborted) onAbort();
  else signal.addEventListener('abort', onAbort, { once: true });
  return () => {
    clearTimeout(timer);
    signal.removeEventListener('abort', onAbort);
  };
}
