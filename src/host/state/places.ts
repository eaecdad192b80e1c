import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { basename, dirname, isAbsolute, join, resolve } from 'node:path';
import type { Plan } from '../../protocol.ts';
import { DeployFailure } from '../system/failure.ts';
import { mountOf, mountPoints } from '../system/mounts.ts';
import { exists, isWritable, realOrSame } from '../system/paths.ts';

/** Where the things of one app lie on a host. All are absolute, real paths. */
export interface Places {
  /** The app's directory, as the user knows it: all that is the app's lies in it, its repository too. */
  top: string;
  /** Where PM2 runs the app: `top` itself, or what always leads to the version that runs. */
  live: string;
  /** Where the app runs in `live`. */
  workDir: string;
  /** Holds staging and what was replaced; on `top`'s own filesystem, so that a rename reaches it. */
  beside: string;
  /** Journal, history and what a rollback needs; outlives deploys, 0700. */
  state: string;
}

/** `~/…` and relative paths start at the login's home; the result is real where it exists already. */
export function resolvePath(given: string, home: string): string {
  const named =
    given === '~' ? home : given.startsWith('~/') ? join(home, given.slice(2)) : resolve(home, given);
  const path = realAncestor(named);
  if (path === '/' || path === realOrSame(home)) {
    throw new DeployFailure(
      `path is '${given}', which is ${path === '/' ? 'the root directory' : 'the home directory itself'}.`,
      {
        remedy: "Give the app a directory of its own, such as '~/app'.",
      },
    );
  }
  return path;
}

/** What is not there yet must have the name that it will have: the state directory, the lock and PM2's cwd go by it. */
function realAncestor(path: string): string {
  return exists(path) ? realOrSame(path) : join(realAncestor(dirname(path)), basename(path));
}

/** Directories of all deploys on this host, of every app: run directories and the apps' states. */
export function stateRoot(env: NodeJS.ProcessEnv, home: string): string {
  const given = env.XDG_STATE_HOME;
  return join(given && isAbsolute(given) ? given : join(home, '.local', 'state'), 'pm2-ssh-deploy');
}

/** Names the places of the app at `top` without making or changing any. */
export function placesOf(
  top: string,
  workingDirectory: string,
  root: string,
  layout: Plan['layout']['kind'] = 'in-place',
): Places {
  const live = layout === 'releases' ? currentIn(top) : top;
  const hash = createHash('sha256').update(top).digest('hex').slice(0, 12);
  return {
    top,
    live,
    workDir: join(live, workingDirectory),
    beside: placeBeside(top),
    state: join(root, `${basename(top)}-${hash}`),
  };
}

function placeBeside(top: string): string {
  const sibling = join(dirname(top), `.${basename(top)}.pm2-ssh-deploy`);
  return isWritable(existingOf(sibling)) && onOneMount(sibling, top)
    ? sibling
    : join(top, '.git', 'pm2-ssh-deploy');
}

/** Where the finished build of a deploy lies, from the end of the build on. */
export function buildPlace({ places, plan }: { places: Places; plan: Plan }): string {
  const { kind } = plan.layout;
  return kind === 'releases'
    ? join(releasesIn(places.top), plan.deployId)
    : join(places.beside, plan.deployId, 'version');
}

/** What the layout with a directory for each version has in the app's directory, beside its repository. */
export const LAYOUT_NAMES = ['releases', 'shared', 'current'] as const;

/** With a directory for each version: where these are, and what outlasts them. */
export function releasesIn(top: string): string {
  return join(top, 'releases');
}

export function sharedIn(top: string): string {
  return join(top, 'shared');
}

/** The link that leads to the version that runs. */
export function currentIn(top: string): string {
  return join(top, 'current');
}

/** Where the files of the version that runs lie. What `live` leads to may not be there yet. */
export function treeOf({ top, live }: Places): string {
  return exists(live) ? realOrSame(live) : top;
}

/** Directories whose env files a version sees; those of the first count before those of the second. */
export function envSources(places: Places): string[] {
  return places.live === places.top ? [places.live] : [treeOf(places), sharedIn(places.top)];
}

/** Refuses places between which nothing can be renamed, before anything is built there. */
export function refuseApart({ top, beside }: Places): void {
  const base = existingOf(beside);
  if (!statSync(base).isDirectory()) {
    throw new DeployFailure(`${base} is no directory, so the new version cannot be built in ${beside}.`, {
      remedy: `Let the deploying user write to ${dirname(top)}, or give path a checkout with a .git directory of its own.`,
    });
  }
  if (onOneMount(beside, top)) return;
  throw new DeployFailure(
    `${base} and ${top} are on different mounts. The new version would be built in the first, and cannot be renamed into the second.`,
    {
      remedy: `Keep the .git of path on the mount of path itself ('findmnt -T ${base}' shows where it is).`,
    },
  );
}

function onOneMount(one: string, other: string): boolean {
  const points = mountPoints();
  const [a, b] = [existingOf(one), existingOf(other)];
  return statSync(a).dev === statSync(b).dev && mountOf(a, points) === mountOf(b, points);
}

/** The path itself, or the nearest directory above it that is there. */
function existingOf(path: string): string {
  return exists(path) ? path : existingOf(dirname(path));
}
