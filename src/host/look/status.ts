import type { AppStanding, PastDeploy, Standing } from '../../protocol.ts';
import type { Context } from '../context.ts';
import { lockHolders } from '../deploy/locks.ts';
import { readHead } from '../git/checkout.ts';
import { endedWell } from '../health/job.ts';
import { complaintAboutLive } from '../health/live-health.ts';
import { outdatedOf } from '../health/outdated.ts';
import type { Instance } from '../pm2/list.ts';
import type { End } from '../program/end.ts';
import { loadCurrent } from '../state/current.ts';
import { endedDeploys, pastDeploy } from '../state/history.ts';
import { unfinished } from '../state/journal.ts';
import { isWithin, realOrSame } from '../system/paths.ts';

/** How many deploys of the history are reported. */
const TOLD = 30;

/** Tells what runs and how it came there. Changes nothing. */
export async function status(context: Context): Promise<End & { standing: Standing }> {
  const { git, journal } = context;
  const { sha } = await readHead(git);
  const history = endedDeploys(journal.entries()).map(pastDeploy).reverse();
  const standing: Standing = {
    deployed: history.find((past) => past.outcome === 'deployed' && past.sha === sha) ?? null,
    apps: await appsOf(context),
    complaint: await complaint(context),
    remarks: remarksOn(context, sha),
    history: history.slice(0, TOLD),
  };
  return { outcome: 'unchanged', sha, previousSha: sha, failure: null, standing };
}

/** What PM2 runs from the app's directory, by name. */
async function appsOf({ pm2, places, journal }: Context): Promise<AppStanding[]> {
  const own = (await pm2.list()).filter(
    ({ module, cwd }) => !module && isWithin(places.live, realOrSame(cwd)),
  );
  const current = loadCurrent(places.state);
  const outdated = outdatedOf(own, current, journal.entries());
  const names = [...new Set(own.map(({ name }) => name))].sort((a, b) => a.localeCompare(b));
  return names.map((name) => {
    const same = own.filter((one) => one.name === name);
    return {
      name,
      instances: same.length,
      online: same.filter((one) => one.status === 'online' && !endedWell(one)).length,
      ended: same.filter(endedWell).length,
      outdated: outdated.filter((one) => one.name === name).length,
      restarts: current === null ? null : restartsSince(current.restarts, same),
    };
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

async function complaint(context: Context): Promise<string | null> {
  const current = loadCurrent(context.places.state);
  if (current === null) return 'no deploy was ever verified here';
  try {
    return await complaintAboutLive(context, current);
  } catch (error) {
    return (error as Error).message;
  }
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
