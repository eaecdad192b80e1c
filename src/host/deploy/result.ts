import type { Failure, HostResult, Plan, State } from '../../protocol.ts';
import type { Context } from '../context.ts';
import { complaintAtHealthUrl } from '../health/live-health.ts';
import { outdatedOf } from '../health/outdated.ts';
import type { Instance } from '../pm2/list.ts';
import { instancesIn } from '../pm2/list.ts';
import type { End, Progress } from '../program/end.ts';
import { loadCurrent } from '../state/current.ts';
import { endedDeploys } from '../state/history.ts';
import type { Clock } from '../system/clock.ts';
import { glance } from './glance.ts';
import { countsOfApps } from './running-apps.ts';

/** What is known of a deploy that has ended. `context` is null if preflight failed; `started` is on `performance.now()`. */
export interface Ended {
  plan: Plan;
  end: End;
  context: Context | null;
  progress: Pick<Progress, 'sha' | 'entered'>;
  clock: Clock;
  started: number;
}

/** All that the runner is told at the end. */
export async function resultOf({ plan, end, context, progress, clock, started }: Ended): Promise<HostResult> {
  // Without a context, preflight failed: what runs here was not looked at yet.
  const { failure } = end;
  const runs = context === null ? await glance(plan) : await countInstances(context);
  const target = end.target ?? progress.sha;
  return {
    mode: plan.mode,
    requests: null,
    standing: null,
    unhealthy: null,
    ...end,
    ...runs,
    failure: failure === null ? null : { ...failure, live: await complaintAfter(failure, context) },
    asked: plan.healthUrl !== null,
    target,
    commit: context === null || target === null ? null : await commitOf(context, target),
    previousRun: context === null ? '' : runOf(context, end.previousSha),
    states: progress.entered,
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

type Counted = Pick<HostResult, 'instances' | 'outdated' | 'apps'>;

async function countInstances({ pm2, places, journal }: Context): Promise<Counted> {
  let own: Instance[];
  let online: Instance[];
  let old: Instance[];
  try {
    own = instancesIn(places.top, await pm2.list());
    online = own.filter(({ status }) => status === 'online');
    old = outdatedOf(online, loadCurrent(places.state), journal.entries());
  } catch {
    // A daemon that no longer answers, or a record that cannot be read, has been reported already.
    return { instances: null, outdated: [], apps: null };
  }
  const names = [...new Set(old.map(({ name }) => name))].sort();
  return {
    instances: online.length - old.length,
    outdated: names.map((name) => ({ name, instances: old.filter((one) => one.name === name).length })),
    apps: countsOfApps(own),
  };
}

async function commitOf({ gitAfterwards }: Context, sha: string): Promise<HostResult['commit']> {
  const told = await gitAfterwards
    .attempt(['log', '-1', '--no-show-signature', '--format=%s%n%an', sha])
    .catch(() => null);
  if (told === null || told.code !== 0) return null;
  const [subject = '', author = ''] = told.stdout.split('\n');
  return { subject, author };
}

function runOf({ journal }: Context, sha: string | null): string {
  try {
    const brought = endedDeploys(journal.entries()).filter(
      (entry) => entry.sha === sha && entry.outcome === 'deployed',
    );
    return brought[brought.length - 1]?.run.url ?? '';
  } catch {
    // A journal that cannot be read has failed the deploy already.
    return '';
  }
}
