import { join, relative } from 'node:path';
import type { Staged } from '../build/stage.ts';
import { type Context, inform, warn } from '../context.ts';
import {
  flaggedFiles,
  type Head,
  ignoredPaths,
  localChanges,
  readHead,
  refuseGitLocks,
  refuseLocalChanges,
  submodulePaths,
  trackedFiles,
} from '../git/checkout.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import type { InPlaceSwap } from '../state/transaction.ts';
import { matchOwnership } from '../swap/match-mode.ts';
import { saveRecord } from '../swap/record.ts';
import { checkSwap } from '../swap/swap.ts';
import { describeCollision, type Surroundings, swapList } from '../swap/swap-list.ts';
import { disown, type Generated } from '../swap/tree.ts';
import { run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { isWithin } from '../system/paths.ts';
import { makePrivate } from '../system/private-directory.ts';
import { swapPlaces } from './in-place-swap.ts';

/** The live checkout must be as its commit and our deploys left it. */
export async function checkLive(context: Context, generatedOld: Generated | null): Promise<void> {
  const { places, git } = context;
  await refuseGitLocks(git);
  const changes = await localChanges(places.live, git, generatedOld ?? NO_TRACES);
  for (const path of generatedOld === null ? await oldSubmodules(context) : []) {
    const within = await localChanges(
      join(places.live, path),
      context.gitIn(join(places.live, path)),
      NO_TRACES,
    );
    changes.push(...within.map((inner) => `${path}/${inner}`));
  }
  refuseLocalChanges(places.live, changes);
}

const NO_TRACES = { rewritten: {}, deleted: [] };

/** Submodules of a checkout that was made by hand; what a deploy of ours made of them is in its record. */
async function oldSubmodules({ git, gitIn }: Context): Promise<string[]> {
  const { sha } = await readHead(git);
  return sha === null ? [] : submodulePaths(git, gitIn, sha);
}

/** The files of the version that is live, those of submodules too where no record of ours has them. */
async function oldFiles(
  context: Context,
  head: Head,
  generatedOld: Generated | null,
): Promise<Map<string, string>> {
  const { places, git, gitIn } = context;
  if (head.sha === null) return new Map();
  const files = await trackedFiles(git, head.sha);
  for (const path of generatedOld === null ? await oldSubmodules(context) : []) {
    const within = await trackedFiles(gitIn(join(places.live, path)), 'HEAD');
    for (const [inner, fingerprint] of within) files.set(`${path}/${inner}`, fingerprint);
  }
  return files;
}

/** Lists the renames that make the staged version live, and refuses where one would touch what is the app's own. */
export async function listSwap(
  context: Context,
  staged: Staged,
  head: Head,
  generatedOld: Generated | null,
): Promise<{ swap: InPlaceSwap } & Surroundings> {
  const { places, git } = context;
  const [trackedOld, trackedNew, flagged] = await Promise.all([
    oldFiles(context, head, generatedOld),
    trackedFiles(git, staged.sha),
    flaggedFiles(git),
  ]);
  const { ops, collisions, adopted, same, ...surroundings } = await swapList({
    live: places.live,
    staging: staged.staging,
    trackedOld,
    trackedNew,
    generatedOld,
    generatedNew: staged.generated,
    flagged,
    pinned: workingDirectories(context, staged.config),
    ignored: (paths) => ignoredPaths(git, paths),
  });
  if (collisions.length > 0) {
    const [first] = collisions;
    const more = collisions.length > 1 ? ` So would ${collisions.length - 1} more, listed above.` : '';
    throw new DeployFailure(
      `The new version would replace what is not a deploy's: ${first === undefined ? '' : describeCollision(first)}${more}`,
      {
        output: collisions.map(describeCollision),
        remedy:
          'Move it away on the server, or keep the new version from bringing its own, and run the job again.',
      },
    );
  }
  if (adopted.length > 0)
    inform(context.log, `Taken as built by hand before, and replaced from now on: ${adopted.join(', ')}.`);
  if (same.length > 0) {
    staged.generated = disown(staged.generated, same);
    saveRecord(places.state, context.plan.deployId, staged.generated);
  }
  const { staging, kept } = staged;
  return { swap: { layout: 'in-place', head, staging, kept, ops }, ...surroundings };
}

/** Processes stand in these: renamed away, they would be in the old version for ever. Relative to live. */
function workingDirectories({ places }: Context, config: readonly DeployApp[]): string[] {
  const within = config
    .filter(({ cwd }) => isWithin(places.live, cwd))
    .map(({ cwd }) => relative(places.live, cwd));
  return [relative(places.live, places.workDir), ...within].filter((path) => path !== '');
}

/** Makes what replaces look like what it replaces, and brings the build to disk before it is relied upon. */
export async function settle(context: Context, swap: InPlaceSwap): Promise<void> {
  const places = swapPlaces(context, swap);
  makePrivate(swap.kept);
  checkSwap(places, swap.ops);
  const unlike = matchOwnership(places, swap.ops);
  if (unlike.length > 0) {
    const shown = unlike.slice(0, 5).join(', ');
    warn(
      context.log,
      `These will not have the group or mode of what they replace, which this user may not set: ${shown}.`,
    );
  }
  // Without it a power cut soon after the swap could leave empty files where the old ones were.
  await run('sync', ['-f', swap.staging], { cwd: '/', env: context.env, timeLimit: 120_000 });
}
