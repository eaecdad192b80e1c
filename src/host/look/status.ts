import { join } from 'node:path';
import { type AppStanding, type LogEnd, type PastDeploy, STREAMS, type Standing } from '../../protocol.ts';
import { envFiles } from '../build/env-files.ts';
import type { Context } from '../context.ts';
import { readLiveHead } from '../deploy/live.ts';
import { lockHolders } from '../deploy/locks.ts';
import { countsOfApps } from '../deploy/running-apps.ts';
import { lastLines } from '../health/error-log.ts';
import { complaintAboutLive } from '../health/live-health.ts';
import { outdatedOf } from '../health/outdated.ts';
import type { Instance } from '../pm2/list.ts';
import { instancesIn } from '../pm2/list.ts';
import type { End } from '../program/end.ts';
import { secretsOfEnvFile } from '../program/redact.ts';
import { loadCurrent } from '../state/current.ts';
import { endedDeploys, pastDeploy } from '../state/history.ts';
import { unfinished } from '../state/journal.ts';
import { envSources } from '../state/places.ts';
import { readIfThere } from '../system/durable.ts';
import { DeployFailure, failureOf } from '../system/failure.ts';

/** How many deploys of the history are reported. */
const TOLD = 30;

/** Tells what runs and how it came there. Changes nothing. */
export async function status(context: Context): Promise<End & { standing: Standing }> {
  const { journal, places, pm2 } = context;
  const { sha } = await readLiveHead(context);
  const history = endedDeploys(journal.entries()).map(pastDeploy).reverse();
  const own = instancesIn(places.top, await pm2.list());
  const standing: Standing = {
    deployed: history.find((past) => past.outcome === 'deployed' && past.sha === sha) ?? null,
    apps: appsOf(context, own),
    logs: logsOf(context, own),
    remarks: remarksOn(context, sha),
    history: history.slice(0, TOLD),
  };
  const unhealthy = await whyUnhealthy(context);
  const failure = unhealthy === null ? null : failureOf(new DeployFailure(unhealthy), 'preflight');
  const outcome = failure === null ? 'unchanged' : 'failed';
  return { outcome, sha, previousSha: sha, failure, unhealthy, standing };
}

/** What PM2 runs from the app's directory, by name. */
function appsOf({ places, journal }: Context, own: readonly Instance[]): AppStanding[] {
  const current = loadCurrent(places.state);
  const outdated = outdatedOf(own, current, journal.entries());
  return countsOfApps(own).map((counts) => {
    const same = own.filter(({ name }) => name === counts.name);
    return {
      ...counts,
      outdated: outdated.filter(({ name }) => name === counts.name).length,
      restarts: current === null ? null : restartsSince(current.restarts, same),
    };
  });
}

/** The last lines that the apps wrote. What stands in their `.env` files is hidden from now on. */
function logsOf({ places, plan, redactor }: Context, own: readonly Instance[]): LogEnd[] {
  const { logLines } = plan;
  if (logLines === 0) return [];
  for (const source of envSources(places))
    for (const path of envFiles(source, ['', plan.workingDirectory]))
      redactor.hide(secretsOfEnvFile(readIfThere(join(source, path)) ?? ''));
  const names = [...new Set(own.map(({ name }) => name))];
  return names.flatMap((app) => {
    const same = own.filter(({ name }) => name === app);
    const paths = {
      output: same.map(({ outLogPath }) => outLogPath),
      error: same.map(({ errLogPath }) => errLogPath),
    };
    return STREAMS.map((stream) => ({ app, stream, lines: lastLines(paths[stream], logLines) })).filter(
      ({ lines }) => lines.length > 0,
    );
  });
}

/** PM2 counts deploys too: what it had counted when the last one was verified is left out. */
function restartsSince(
  noted: Readonly<Record<string, number>> | null,
  same: readonly Instance[],
): number | null {
  if (noted === null) return null;
  // A counter below the noted one was set to 0 by `pm2 reset`, or is a new instance's.
  return same.reduce((sum, { pmId, restartTime }) => {
    const then = noted[pmId] ?? 0;
    return sum + (restartTime < then ? restartTime : restartTime - then);
  }, 0);
}

/**
 * Why the live app is not healthy now, as a sentence; null if it is. While a deploy goes on nothing is said: it takes
 * instances down and up, and judges them itself. What none of ours brought is judged by PM2's list alone.
 */
export async function whyUnhealthy(context: Context): Promise<string | null> {
  const { places, pm2 } = context;
  if (lockHolders(context).length > 0) return null;
  const current = loadCurrent(places.state);
  if (current !== null) {
    const why = await complaintAboutLive(context, current).catch((error: Error) => error.message);
    return why === null ? null : `The live app is not healthy: ${why}.`;
  }
  const bad = countsOfApps(instancesIn(places.top, await pm2.list())).find(
    ({ instances, online, ended }) => online + ended < instances,
  );
  if (bad === undefined) return null;
  return `The live app is not healthy: of '${bad.name}' ${bad.online} of ${bad.instances} instances are online.`;
}

/** Remarks on a deploy that is running or was interrupted, and on a commit that no deploy brought. */
export function remarksOn(context: Context, head: PastDeploy['sha']): string[] {
  const { places, journal } = context;
  const holders = lockHolders(context);
  const left = unfinished(journal.entries());
  const current = loadCurrent(places.state);
  const interrupted =
    left !== null && holders.length === 0
      ? [
          `Deploy ${left.deploy} (${left.run.url}) was interrupted in ${left.state}. The next deploy ends it first.`,
        ]
      : [];
  const moved =
    current !== null && left === null && current.sha !== head
      ? [
          `${head ?? 'Nothing'} is checked out, but ${current.sha} was verified last. Somebody changed the checkout since.`,
        ]
      : [];
  return [...holders, ...interrupted, ...moved];
}
