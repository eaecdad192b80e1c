import type { HostResult } from '../../protocol.ts';
import { BOOTSTRAP_TIMEOUT, openShell } from './bootstrap.ts';
import { follow } from './following.ts';
import { type SessionOptions, startCourse, unless, whenAborted } from './host-session.ts';
import { SessionError } from './session-error.ts';
import { howLost } from './session-failures.ts';

/**
 * Has a host carry out a plan that only looks, `check` or `status`. It lives in this one session: where that is lost, there is
 * nothing to take up. Throws a `SessionError`.
 */
export function lookAtHost(options: Omit<SessionOptions, 'link' | 'say'>): Promise<HostResult> {
  const { connection, program, plan } = options;
  const { label } = connection;
  const cancelled = options.cancelled ?? new AbortController().signal;
  const course = startCourse(options, { label, plan, cancelled, begun: false });
  const carryOut = async (): Promise<HostResult> => {
    const shell = await openShell(connection, options.bootstrapTimeout ?? BOOTSTRAP_TIMEOUT);
    const end = await follow(shell, { program, plan }, course);
    if (end.kind === 'result') return end.result;
    const how = end.kind === 'lost' ? howLost(label, end.end, course.state) : `${label} gave no result.`;
    throw new SessionError(
      `${how} Nothing was changed there.`,
      'Run the job again.',
      end.kind === 'lost' ? end.complaints : [],
    );
  };
  return unless(carryOut, (stop) =>
    whenAborted(cancelled, () => {
      stop(new SessionError(`The job was cancelled. Nothing was changed on ${label}.`, null));
      return undefined;
    }),
  );
}
