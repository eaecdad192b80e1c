import type { Context } from '../context.ts';
import type { Current } from '../state/current.ts';
import { ticksOf } from '../system/processes.ts';
import { expectedCounts } from './baseline.ts';
import { judge } from './health.ts';
import { healthTarget } from './health-target.ts';
import { observe, orphansOf } from './verify.ts';

/** Why the version that was verified last is not healthy now, by the rules of a deploy, at this one moment; or null. */
export async function complaintAboutLive(context: Context, current: Current): Promise<string | null> {
  const { healthUrl, pm2Env } = context.plan;
  const { config, ports, runsAs, since } = current;
  const expected = {
    deployId: runsAs,
    instances: expectedCounts(config),
    ports,
    after: ticksOf(since),
    knownOrphans: orphansOf(context.pm2, await context.pm2.list()),
    healthUrl: healthUrl === null ? null : healthTarget(healthUrl, config, pm2Env, ports),
  };
  const now = await observe(context.pm2, expected);
  const verdict = judge(expected, now, now);
  return verdict.kind === 'healthy' ? null : verdict.why;
}
