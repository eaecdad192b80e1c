import type { HostResult } from '../../protocol.ts';
import type { Link } from '../connection/connect.ts';
import type { Connection } from '../connection/ssh.ts';
import type { Bundle } from '../upload/bundle.ts';
import { BOOTSTRAP_TIMEOUT, type HostShell } from './bootstrap.ts';
import { type CourseOptions, follow, startCourse } from './following.ts';
import { openShell } from './open-shell.ts';
import { takeUp } from './reconnect.ts';
import { announceUpload, sendUpload } from './sending.ts';
import {
  cancelledBefore,
  cancelledInUpload,
  cancelledUnanswered,
  howLost,
  lost,
  neverBegan,
  stillAtWork,
} from './session-failures.ts';
import { unless, whenAborted } from './stoppable.ts';

export interface DeployOptions extends Omit<CourseOptions, 'label'> {
  connection: Connection;
  /** The host program, packed. */
  program: string;
  /** A shell on the host that was opened already, for the upload. */
  shell?: Promise<HostShell>;
  /** What is sent before the deploy begins; null if it is nothing. */
  bundle?: Bundle | null;
  /** How to connect again; without it a lost connection cannot be helped. */
  link?: Link;
  /** Milliseconds that the host may take to answer the bootstrap. */
  bootstrapTimeout?: number;
}

export interface FollowUpOptions
  extends Pick<CourseOptions, 'label' | 'plan' | 'shellInit' | 'log' | 'words'> {
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
 * Throws a `SessionError` if it does not begin, or cannot be followed to its end, and a `ConnectError` where the host
 * opens no session for it. `connection` stays the caller's to close.
 */
export async function deployOnHost(options: DeployOptions): Promise<HostResult> {
  const { connection, program, plan, bundle = null, link, log, cancelled } = options;
  const { label } = connection;
  const { deployId } = plan;
  const course = startCourse({ ...options, label }, { begun: false });
  let isSending = false;

  const open = async (): Promise<HostShell> => {
    const { bootstrapTimeout = BOOTSTRAP_TIMEOUT, shellInit } = options;
    const shell = await openShell(connection, bootstrapTimeout, shellInit);
    if (cancelled.aborted) throw cancelledBefore(label);
    if (bundle !== null) announceUpload(shell, program, plan);
    return shell;
  };
  const carryOut = async (left: AbortSignal): Promise<HostResult> => {
    const shell = await (options.shell ?? open());
    if (bundle !== null) {
      isSending = true;
      await sendUpload(shell, { label, log, bundle });
      if (cancelled.aborted) throw cancelledInUpload(label);
    }
    const end = await follow(shell, { program: bundle === null ? program : null, plan }, course);
    // The action itself closes the connection of a deploy that it waits for no longer.
    left.throwIfAborted();
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
        stop(isSending ? cancelledInUpload(label) : cancelledBefore(label));
        return undefined;
      }
      log.say(`Cancelled: telling ${label} to give the deploy up.`);
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
  const course = startCourse({ ...options, cancelled, mayGo: NEVER }, { begun: true });
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

/** Nobody lets a cancelled deploy go on. */
const NEVER = (): Promise<never> => new Promise(() => {});
