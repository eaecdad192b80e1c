import type { HostResult } from '../../protocol.ts';
import { BOOTSTRAP_TIMEOUT } from './bootstrap.ts';
import type { DeployOptions } from './deploying.ts';
import { follow, startCourse } from './following.ts';
import { openShell } from './open-shell.ts';
import { SessionError } from './session-error.ts';
import { howLost } from './session-failures.ts';
import { unless, whenAborted } from './stoppable.ts';

/**
 * Has a host carry out a plan that only looks, `check` or `status`. It lives in this one session: where that is lost, there is
 * nothing to take up. Throws a `SessionError`.
 */
export function lookAtHost(options: Omit<DeployOptions, 'link' | 'mayGo'>): Promise<HostResult> {
  const { connection, program, plan, cancelled } = options;
  const { label } = connection;
  // A look is never asked for a decision.
  const course = startCourse({ ...options, label, mayGo: () => Promise.resolve() }, { begun: false });
  const carryOut = async (): Promise<HostResult> => {
    const shell = await openShell(
      connection,
      options.bootstrapTimeout ?? BOOTSTRAP_TIMEOUT,
      options.shellInit,
    );
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
