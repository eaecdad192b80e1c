import { setTimeout as sleep } from 'node:timers/promises';
import type { Context } from '../context.ts';
import { instancesIn } from '../pm2/list.ts';
import type { Current } from '../state/current.ts';
import { treeOf } from '../state/places.ts';
import { ticksOf } from '../system/processes.ts';
import { expectedCounts, readBaseline } from './baseline.ts';
import { elsewhereOf } from './expectation.ts';
import { judge, type Snapshot, type Verdict } from './health.ts';
import { absoluteUrl, complaintAbout } from './health-request.ts';
import { healthTarget } from './health-target.ts';
import { declaredPorts } from './ports.ts';
import { observe, orphansOf } from './verify.ts';

/** How long a restart by `cron_restart` may take, and how often we look, in milliseconds. */
const RESTARTS_WITHIN = 5_000;
const LOOK_EVERY = 200;

/** Why the version that was verified last is not healthy now, by the rules of a deploy, at this one moment; or null. */
export async function complaintAboutLive(context: Context, current: Current): Promise<string | null> {
  const { places } = context;
  const { healthUrl, pm2Env } = context.plan;
  const { config, ports, runsAs, since } = current;
  const expected = {
    deployId: runsAs,
    instances: expectedCounts(config),
    ports,
    after: ticksOf(since),
    knownOrphans: orphansOf(context.pm2, await context.pm2.list()),
    healthUrl: healthUrl === null ? null : healthTarget(healthUrl, config, pm2Env, ports),
    elsewhere: elsewhereOf(treeOf(places), places),
  };
  let verdict: Verdict;
  const deadline = performance.now() + RESTARTS_WITHIN;
  do {
    const seen = await observe(context.pm2, expected);
    const now = context.plan.container === null ? seen : asRestarted(seen, runsAs);
    verdict = judge(expected, now, now);
    // PM2 restarts it by its clock at this very moment: that is how the app is meant to run.
  } while (
    verdict.kind === 'pending' &&
    verdict.planned &&
    performance.now() < deadline &&
    (await sleep(LOOK_EVERY, true))
  );
  return verdict.kind === 'healthy' ? null : verdict.why;
}

/**
 * What pm2-runtime started with the container carries no deploy's id. It runs the files as they were then: whether that was after
 * the swap tells its start.
 */
function asRestarted(seen: Snapshot, runsAs: string): Snapshot {
  const instances = seen.instances.map((one) => ({ ...one, deployId: one.deployId ?? runsAs }));
  return { ...seen, instances };
}

/**
 * What is wrong with the live app's answer to `health-url` at this moment; null if it is good, and if nobody can ask. For a
 * deploy that touched neither its files nor its processes: what it shares with them, such as a database, is another matter.
 */
export async function complaintAtHealthUrl({ plan, places, pm2 }: Context): Promise<string | null> {
  if (plan.healthUrl === null) return null;
  const own = instancesIn(places.top, await pm2.list());
  const chosen = own.filter(({ name }) => plan.apps.length === 0 || plan.apps.includes(name));
  const { before } = await readBaseline(
    pm2,
    chosen.map(({ name }) => name),
  );
  if (before.apps.length === 0) return null;
  const url = absoluteUrl(plan.healthUrl, before.ports, declaredPorts(before.apps, null));
  return url === null ? null : complaintAbout(url);
}
