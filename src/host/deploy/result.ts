import type { HostResult, Plan } from '../../protocol.ts';
import type { Context } from '../context.ts';
import type { End } from '../program/end.ts';
import type { Clock } from '../system/clock.ts';
import { isWithin, realOrSame } from '../system/paths.ts';

/** All that the runner is told at the end. `started` is on the clock of `performance.now()`. */
export async function resultOf(
  plan: Plan,
  end: End,
  context: Context | null,
  clock: Clock,
  started: number,
): Promise<HostResult> {
  return {
    mode: plan.mode,
    requests: null,
    standing: null,
    ...end,
    instances: context === null ? 0 : await onlineInstances(context),
    durationMs: Math.round(performance.now() - started),
    spent: clock.spent,
    versions: { node: process.version, pm2: context?.pm2.install.version ?? '' },
  };
}

/** Instances of whatever runs from the app's directory. */
async function onlineInstances({ pm2, places }: Context): Promise<number> {
  try {
    return (await pm2.list()).filter(
      ({ status, cwd }) => status === 'online' && isWithin(places.live, realOrSame(cwd)),
    ).length;
  } catch {
    // A daemon that does not answer any more has been reported already.
    return 0;
  }
}
