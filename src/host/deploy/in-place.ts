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
import { type Changed, saveLocalPatch } from '../git/local-patch.ts';
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

/**
 * Tracked files of the live checkout that are not as its commit and our deploys left them. Any is refused, unless the plan
 * lets the deploy save them.
 */
export async function checkLive(context: Context, generatedOld: Generated | null): Promise<string[]> {
  await refuseGitLocks(context.git);
  const changes = pathsOf(await changesIn(context, generatedOld));
  if (context.plan.localChanges === 'fail') refuseLocalChanges(context.places.live, changes);
  return changes;
}

/** Local changes, those in submodules too where no record of ours has their files. */
async function changesIn(context: Context, generatedOld: Generated | null): Promise<Changed[]> {
  const { places, git, gitIn } = context;
  const checkouts = [{ git, prefix: '', traces: generatedOld ?? NO_TRACES }];
  for (const path of generatedOld === null ? await oldSubmodules(context) : [])
    checkouts.push({ git: gitIn(join(places.live, path)), prefix: `${path}/`, traces: NO_TRACES });
  const found: Changed[] = [];
  for (const { git: one, prefix, traces } of checkouts) {
    const paths = await localChanges(one.directory, one, traces);
    if (paths.length > 0) found.push({ git: one, prefix, paths });
  }
  return found;
}

function pathsOf(changed: readonly Changed[]): string[] {
  return changed.flatMap(({ prefix, paths }) => paths.map((path) => prefix + path));
}

/** Saves local changes as a patch in the app's state directory, which no deploy ever removes, and says where it is. */
export async function saveChanges(context: Context, generatedOld: Generated | null): Promise<void> {
  const { git, places, plan } = context;
  const changed = await changesIn(context, generatedOld);
  if (changed.length === 0) return;
  const date = new Date().toISOString().slice(0, 10);
  const file = join(places.state, `local-changes-${date}-${plan.deployId}.patch`);
  const files = await saveLocalPatch(git, changed, file);
  const count = pathsOf(changed).length;
  warn(
    context.log,
    `${count} tracked ${count === 1 ? 'file has' : 'files have'} local changes. They are saved on the server in ${files.join(' and ')}. Look at them with 'git apply --stat ${file}'. Bring them back with 'git -C ${places.live} apply --3way ${file}'.`,
  );
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
    given: staged.given,
    flagged,
    changed: new Set(
      context.plan.localChanges === 'save' ? pathsOf(await changesIn(context, generatedOld)) : [],
    ),
    pinned: workingDirectories(context, staged.config),
    ignored: (paths) => ignoredPaths(git, paths),
  });
  if (collisions.length > 0) {
    const [first] = collisions;
    const more = collisions.length > 1 ? ` ${collisions.length - 1} more are listed above.` : '';
    throw new DeployFailure(
      `The new version would overwrite something that no deploy made: ${first === undefined ? '' : describeCollision(first)}${more}`,
      {
        output: collisions.map(describeCollision),
        remedy: 'Move it away on the server, or remove it from the new version. Then run the job again.',
      },
    );
  }
  if (adopted.length > 0)
    inform(
      context.log,
      `Taken as output of earlier builds, and replaced from now on: ${adopted.join(', ')}.`,
    );
  if (same.length > 0) {
    staged.generated = disown(staged.generated, same);
    staged.record = saveRecord(places.state, context.plan.deployId, staged.generated);
  }
  const { staging, kept } = staged;
  const given = [...staged.given];
  return { swap: { layout: 'in-place', head, staging, kept, ops, given }, ...surroundings };
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
    warn(context.log, `This user may not set the group or mode of the files that these replace: ${shown}.`);
  }
  // Without it a power cut soon after the swap could leave empty files where the old ones were.
  await run('sync', ['-f', swap.staging], { cwd: '/', env: context.env, timeLimit: 120_000 });
}
