import { type HostResult, looksOnly } from '../../protocol.ts';
import { connect, type Destination, linkTo } from '../connection/connect.ts';
import type { Connection } from '../connection/ssh.ts';
import type { Bundle } from '../upload/bundle.ts';
import { deployOnHost, followUp } from './deploying.ts';
import type { EarlySession } from './early-session.ts';
import type { CourseOptions } from './following.ts';
import { lookAtHost } from './looking.ts';
import { cancelledBefore } from './session-failures.ts';
import { unless, whenAborted } from './stoppable.ts';

/** What is to be done on one host, and who hears of it. */
export interface HostTask extends Pick<CourseOptions, 'plan' | 'shellInit' | 'log'> {
  destination: Destination;
  /** What is sent before a deploy begins. */
  bundle?: Bundle | null;
  /** What was opened before the plan was there. */
  early?: EarlySession | null;
}

export interface Orders extends Pick<CourseOptions, 'mayGo' | 'words' | 'cancelled'> {
  /** The host program, packed. Nothing is sent before it is there. */
  program: Promise<string>;
}

export interface FollowUpOrders extends Pick<CourseOptions, 'words'> {
  /** Why the deploy is cancelled. */
  reason: string;
  /** Milliseconds for connecting and following together. */
  within: number;
  /** Milliseconds in which the host has to be reached; default all of them. */
  reachWithin?: number;
}

/** One host, from connecting to its result: whatever concerns several of them is a loop over these. */
export interface HostSession {
  /** Carries out the plan. Throws a `ConnectError` or a `SessionError` if there is no result. */
  carryOut(orders: Orders): Promise<HostResult>;
  /**
   * Sees to a deploy that another process has begun, or was about to begin. The answer is null if it never began, and
   * never will. Throws a `SessionError`.
   */
  followUp(orders: FollowUpOrders): Promise<HostResult | null>;
}

const UNPROVED =
  'host-key-check is off. Nothing proves that this is the right server: anyone on the way can pose as it and get all that is sent. Set fingerprint or known-hosts instead.';

export function hostSession({ destination, bundle = null, early = null, ...task }: HostTask): HostSession {
  const { label } = destination;
  const link = linkTo(destination);
  const warnUnproved = (): void => {
    if (destination.hostKey.kind === 'off') task.log.warn(UNPROVED);
  };
  return {
    async carryOut({ program, mayGo, words, cancelled }) {
      warnUnproved();
      const connection = await connectUnless(
        cancelled,
        destination,
        early?.connection ?? connect(destination, task.log.say),
      );
      try {
        const orders = { ...task, connection, program: await program, cancelled };
        if (looksOnly(task.plan)) return await lookAtHost(orders);
        return await deployOnHost({
          ...orders,
          bundle,
          ...(early && { shell: early.shell }),
          mayGo,
          link,
          ...(words && { words }),
        });
      } finally {
        await connection.close();
      }
    },
    followUp: ({ reason, within, reachWithin = within, words }) =>
      followUp({
        ...task,
        label,
        reason,
        within,
        link: { ...link, within: reachWithin },
        ...(words && { words }),
      }),
  };
}

/** Waits for the connection, unless the deploy is cancelled before it is there. */
function connectUnless(
  cancelled: AbortSignal,
  { label }: Destination,
  connecting: Promise<Connection>,
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
