import type { Failure, HostResult, Plan, State } from '../../protocol.ts';
import type { Context } from '../context.ts';
import { complaintAtHealthUrl } from '../health/live-health.ts';
import { outdatedOf } from '../health/outdated.ts';
import type { Instance } from '../pm2/list.ts';
import type { End } from '../program/end.ts';
import { loadCurrent } from '../state/current.ts';
import type { Clock } from '../system/clock.ts';
import { isWithin, realOrSame } from '../system/paths.ts';
import { glance } from './glance.ts';

/** All that the runner is told at the end. `started` is on the clock of `performance.now()`. */
export async function resultOf(
  plan: Plan,
  end: End,
  context: Context | null,
  clock: Clock,
  started: number,
): Promise<HostResult> {
  // Without a context, preflight failed: what runs here was not looked at yet.
  const { failure } = end;
  const runs = context === null ? await glance(plan) : await countInstances(context);
  return {
    mode: plan.mode,
    requests: null,
    standing: null,
    ...end,
    ...runs,
    failure: failure === null ? null : { ...failure, live: await complaintAfter(failure, context) },
    asked: plan.healthUrl !== null,
    durationMs: Math.round(performance.now() - started),
    spent: clock.spent,
    versions: { node: process.version, pm2: context?.pm2.install.version ?? '' },
  };
}

/** In these states commands of the new version have run: a migration may have broken what the live app works with. */
const RUNS_COMMANDS: readonly State[] = ['staged', 'prepared', 'canary'];

async function complaintAfter({ state }: Failure, context: Context | null): Promise<string | null> {
  if (context === null || !RUNS_COMMANDS.includes(state)) return null;
  return complaintAtHealthUrl(context).catch(() => null);
}

async function countInstances({
  pm2,
  places,
  journal,
}: Context): Promise<Pick<HostResult, 'instances' | 'outdated'>> {
  let online: Instance[];
  try {
    online = (await pm2.list()).filter(
      ({ status, cwd }) => status === 'online' && isWithin(places.live, realOrSame(cwd)),
    );
  } catch {
    // A daemon that no longer answers has been reported already.
    return { instances: null, outdated: [] };
  }
  const old = outdatedOf(online, loadCurrent(places.state), journal.entries());
  const names = [...new Set(old.map(({ name }) => name))].sort();
  return {
    instances: online.length - old.length,
    outdated: names.map((name) => ({ name, instances: old.filter((one) => one.name === name).length })),
  };
}
