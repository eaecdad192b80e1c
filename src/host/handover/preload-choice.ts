import { readlinkSync } from 'node:fs';
import type { Plan } from '../../protocol.ts';
import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import type { Instance } from '../pm2/list.ts';
import { type Preload, preloadArgument } from '../pm2/preload-args.ts';
import type { Pm2 } from '../pm2/session.ts';
import {
  loadsPreload,
  type NodeVersion,
  older,
  parseVersion,
  sharesPorts,
  versionOf,
} from '../system/node-version.ts';
import { descendantsOf } from '../system/processes.ts';
import { installPreload } from './preload-file.ts';
import { interpreterOf, starterOf } from './starter.ts';

/** How each app is to be started with the preload, by name; an app that cannot be, or is not to be, is not in it. */
export async function choosePreloads(
  plan: Pick<Plan, 'handover' | 'drain'>,
  pm2: Pm2,
  config: readonly DeployApp[],
  running: readonly Instance[],
): Promise<Record<string, Preload>> {
  const chosen: Record<string, Preload> = {};
  for (const app of config) {
    const { mode } = expectedInstances(app);
    const starter = starterOf(app);
    const version = await versionFor(app, mode, pm2, running);
    if (version === null || !loadsPreload(version)) continue;
    const share = mode === 'fork' && plan.handover === 'auto' && sharesPorts(version);
    const drain = plan.drain === 'auto';
    if (!share && !drain) continue;
    chosen[app.name] = {
      by: starter === 'node' ? 'node_args' : 'NODE_OPTIONS',
      argument: preloadArgument(installPreload(pm2.home), { share, drain }),
    };
  }
  return chosen;
}

/** The oldest Node that the app will run; null where it may be none. */
export async function versionFor(
  app: DeployApp,
  mode: 'cluster' | 'fork',
  pm2: Pick<Pm2, 'otherNode'>,
  running: readonly Instance[],
): Promise<NodeVersion | null> {
  const starter = starterOf(app);
  if (mode === 'cluster') return starter === 'node' ? parseVersion(pm2.otherNode ?? process.version) : null;
  if (starter === 'other') return null;
  const interpreter = interpreterOf(app) ?? '';
  if (starter === 'node' && interpreter.includes('/')) return versionOf(interpreter);
  if (interpreter.includes('@')) return parseVersion(interpreter.slice(interpreter.indexOf('@') + 1));
  const own = running.filter(
    ({ name, execMode, pid }) => name === app.name && execMode === 'fork' && pid > 0,
  );
  const seen = await Promise.all(own.flatMap(({ pid }) => executablesOf(pid)).map(versionOf));
  const versions = seen.filter((version): version is NodeVersion => version !== null);
  if (versions.length > 0) return versions.reduce(older);
  // A shell script may choose a Node of its own: nobody has seen it yet.
  return starter === 'shell' ? null : parseVersion(process.version);
}

function executablesOf(root: number): string[] {
  return [root, ...descendantsOf(root)].flatMap((pid) => {
    try {
      return readlinkSync(`/proc/${pid}/exe`);
    } catch {
      return [];
    }
  });
}
