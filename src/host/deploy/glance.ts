import { homedir } from 'node:os';
import { join } from 'node:path';
import type { HostResult, Plan } from '../../protocol.ts';
import { gitIn } from '../git/git.ts';
import { type Instance, instancesIn, listInstances } from '../pm2/list.ts';
import { openRpc } from '../pm2/rpc.ts';
import { pm2HomeOf } from '../pm2/session.ts';
import { placesOf, resolvePath, stateRoot } from '../state/places.ts';
import { createClock } from '../system/clock.ts';
import { sessionless } from '../system/environment.ts';
import { exists } from '../system/paths.ts';
import { readLiveHead } from './live.ts';
import { countsOfApps } from './running-apps.ts';

/** Milliseconds, for each of two looks. */
const LOOKS_FOR = 5_000;

type Seen = Pick<HostResult, 'sha' | 'previousSha' | 'instances' | 'outdated' | 'apps'>;

/**
 * What runs at `path`, for a deploy that failed before it could look: on a full disk, or without PM2's command. Needs no
 * room and neither git's nor PM2's checks. Never fails: what cannot be seen is null.
 */
export async function glance(plan: Plan): Promise<Seen> {
  const home = homedir();
  const [sha, own] = await Promise.all([
    headOf(plan, home).catch(() => null),
    instancesOf(plan, home).catch(() => null),
  ]);
  const apps = own === null ? null : countsOfApps(own);
  const instances = own === null ? null : own.filter(({ status }) => status === 'online').length;
  return { sha, previousSha: sha, instances, outdated: [], apps };
}

async function headOf({ path, workingDirectory, layout }: Plan, home: string): Promise<string | null> {
  const top = resolvePath(path, home);
  // Git would look for a repository above.
  if (!exists(join(top, '.git'))) return null;
  const places = placesOf(top, workingDirectory, stateRoot(process.env, home), layout.kind);
  const gitAfterwards = gitIn(top, {
    clock: createClock(),
    env: sessionless(process.env),
    timeLimit: LOOKS_FOR,
    locks: new Set(),
  });
  return (await readLiveHead({ places, gitAfterwards })).sha;
}

async function instancesOf({ path }: Plan, home: string): Promise<Instance[]> {
  const live = resolvePath(path, home);
  const rpc = await openRpc(pm2HomeOf(process.env, home), LOOKS_FOR);
  if (rpc === null) return [];
  try {
    return instancesIn(live, await listInstances(rpc, LOOKS_FOR));
  } finally {
    rpc.close();
  }
}
