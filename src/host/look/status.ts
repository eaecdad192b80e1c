import type { PastDeploy, Standing } from '../../protocol.ts';
import type { Context } from '../context.ts';
import { lockHolders } from '../deploy/locks.ts';
import { readHead } from '../git/checkout.ts';
import { complaintAboutLive } from '../health/live-health.ts';
import type { End } from '../program/end.ts';
import { loadCurrent } from '../state/current.ts';
import { endedDeploys, pastDeploy } from '../state/history.ts';
import { unfinished } from '../state/journal.ts';
import { isWithin, realOrSame } from '../system/paths.ts';

/** Deploys of the history that are told. */
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
async function appsOf({ pm2, places }: Context): Promise<Standing['apps']> {
  const apps = new Map<string, Standing['apps'][number]>();
  for (const { name, status: now, cwd, restartTime, module } of await pm2.list()) {
    if (module || !isWithin(places.live, realOrSame(cwd))) continue;
    const app = apps.get(name) ?? { name, instances: 0, online: 0, restarts: 0 };
    app.instances += 1;
    app.online += now === 'online' ? 1 : 0;
    app.restarts += restartTime;
    apps.set(name, app);
  }
  return [...apps.values()].sort((a, b) => a.name.localeCompare(b.name));
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

/** A deploy that goes on or was interrupted, and a commit that none of ours brought. */
export function remarksOn(context: Context, head: PastDeploy['sha']): string[] {
  const { places, journal } = context;
  const holders = lockHolders(context);
  const left = unfinished(journal.entries());
  const current = loadCurrent(places.state);
  const interrupted =
    left !== null && holders.length === 0
      ? [
          `Deploy ${left.deploy} (${left.run.url}) was interrupted in ${left.state}: the next deploy ends it first.`,
        ]
      : [];
  const moved =
    current !== null && left === null && current.sha !== head
      ? [
          `${head ?? 'Nothing'} is checked out, and ${current.sha} was verified last: it was moved by hand since.`,
        ]
      : [];
  return [...holders, ...interrupted, ...moved];
}
