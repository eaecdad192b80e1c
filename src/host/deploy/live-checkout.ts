import { existsSync, readdirSync } from 'node:fs';
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
import type { Git } from '../git/git.ts';
import { type Changed, saveLocalPatch } from '../git/local-patch.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { loadCurrent } from '../state/current.ts';
import { currentIn, LAYOUT_NAMES, releasesIn, treeOf } from '../state/places.ts';
import { loadTransaction } from '../state/transaction.ts';
import { saveRecord } from '../swap/record.ts';
import { statOf } from '../swap/rename.ts';
import {
  type Collision,
  describeCollision,
  type Surroundings,
  type SwapList,
  swapList,
} from '../swap/swap-list.ts';
import { disown, type Generated } from '../swap/tree.ts';
import { DeployFailure } from '../system/failure.ts';
import { isWithin, realOrSame } from '../system/paths.ts';

/** The checkout whose files run now, and git in it. */
function liveCheckout({ places, git, gitIn }: Context): { tree: string; treeGit: Git } {
  const tree = treeOf(places);
  return { tree, treeGit: tree === places.top ? git : gitIn(tree) };
}

/**
 * Tracked files of the live checkout that are not as its commit and our deploys left them. Any is refused, unless the plan
 * lets the deploy save them.
 */
export async function checkLive(context: Context, generatedOld: Generated | null): Promise<string[]> {
  refuseOtherLayout(context);
  refuseLostLink(context);
  await refuseGitLocks(context.git);
  const changes = pathsOf(await changesIn(context, generatedOld));
  if (context.plan.localChanges === 'fail') refuseLocalChanges(treeOf(context.places), changes);
  return changes;
}

/** Where each version has a directory, `path` itself has files of none. */
function refuseOtherLayout({ plan, places: { top } }: Context): void {
  if (plan.layout.kind === 'releases' || !isWithin(releasesIn(top), realOrSame(currentIn(top)))) return;
  throw new DeployFailure(`${top} is laid out in releases, and layout is in-place.`, {
    remedy: 'Set layout to releases. Or deploy in place to another directory.',
  });
}

/** Without the link nobody knows which version runs: the files in `path` itself are of none. */
function refuseLostLink({ plan, places: { top, live, state } }: Context): void {
  const releases = releasesIn(top);
  if (plan.layout.kind !== 'releases' || isWithin(releases, realOrSame(live))) return;
  const current = loadCurrent(state);
  if (current?.config.some(({ cwd }) => isWithin(live, cwd)) !== true) return;
  const transaction = loadTransaction(state);
  const swap = transaction?.swap.layout === 'releases' ? transaction.swap : null;
  const last = transaction?.deployId === current.deployId ? swap?.staging : swap?.previous;
  const others = existsSync(releases) ? readdirSync(releases).map((name) => join(releases, name)) : [];
  const release = [last ?? releases, ...others].find((path) => path !== releases && existsSync(path));
  // With no version left there is nothing to lead to: the next one is the first one again.
  if (release === undefined) return;
  const link = `'ln -sfn ${release} ${live}'`;
  throw new DeployFailure(
    `${live} ${stateOfLink(live)}. It has to lead to the version that was deployed last.`,
    {
      remedy:
        statOf(live)?.isSymbolicLink() === false
          ? `Move it away on the server. Then make the link again: ${link}.`
          : `Let it lead to a version again, on the server: ${link}.`,
    },
  );
}

function stateOfLink(link: string): string {
  const stat = statOf(link);
  if (stat === null) return 'is gone';
  if (!stat.isSymbolicLink()) return 'is no link';
  return existsSync(link) ? `leads to ${realOrSame(link)}` : 'leads to a directory that is gone';
}

/** Local changes, those in submodules too where no record of ours has their files. */
async function changesIn(context: Context, generatedOld: Generated | null): Promise<Changed[]> {
  const { tree, treeGit } = liveCheckout(context);
  const checkouts = [{ git: treeGit, prefix: '', traces: generatedOld ?? NO_TRACES }];
  for (const path of generatedOld === null ? await oldSubmodules(context) : [])
    checkouts.push({ git: context.gitIn(join(tree, path)), prefix: `${path}/`, traces: NO_TRACES });
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
  const { places, plan } = context;
  const { tree, treeGit } = liveCheckout(context);
  const changed = await changesIn(context, generatedOld);
  if (changed.length === 0) return;
  const date = new Date().toISOString().slice(0, 10);
  const file = join(places.state, `local-changes-${date}-${plan.deployId}.patch`);
  const files = await saveLocalPatch(treeGit, changed, file);
  const count = pathsOf(changed).length;
  warn(
    context.log,
    `${count} tracked ${count === 1 ? 'file has' : 'files have'} local changes. They are saved on the server in ${files.join(' and ')}. Look at them with 'git apply --stat ${file}'. Bring them back with 'git -C ${tree} apply --3way ${file}'.`,
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
    const within = await trackedFiles(gitIn(join(places.top, path)), 'HEAD');
    for (const [inner, fingerprint] of within) files.set(`${path}/${inner}`, fingerprint);
  }
  return files;
}

/**
 * Compares the staged version with the one that runs, and says what would have to be exchanged in place. Refuses what would
 * touch something of the app's own. Changes nothing in live.
 */
export async function compare(
  context: Context,
  staged: Staged,
  head: Head,
  generatedOld: Generated | null,
): Promise<Pick<SwapList, 'ops' | 'same'> & Surroundings> {
  const { places, git } = context;
  const { tree, treeGit } = liveCheckout(context);
  const [trackedOld, trackedNew, flagged] = await Promise.all([
    oldFiles(context, head, generatedOld),
    trackedFiles(git, staged.sha),
    flaggedFiles(treeGit),
  ]);
  const { collisions, adopted, same, ...found } = await swapList({
    live: tree,
    staging: staged.staging,
    hidden: new Set(tree === places.top && context.plan.layout.kind === 'releases' ? LAYOUT_NAMES : []),
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
    ignored: (paths) => ignoredPaths(treeGit, paths),
  });
  refuseCollisions(collisions);
  if (adopted.length > 0)
    inform(
      context.log,
      `Taken as output of earlier builds, and replaced from now on: ${adopted.join(', ')}.`,
    );
  if (same.length > 0) {
    staged.generated = disown(staged.generated, same);
    staged.record = saveRecord(places.state, context.plan.deployId, staged.generated);
  }
  return { ...found, same };
}

function refuseCollisions(collisions: readonly Collision[]): void {
  const [first] = collisions;
  if (first === undefined) return;
  const more = collisions.length > 1 ? ` ${collisions.length - 1} more are listed above.` : '';
  throw new DeployFailure(
    `The new version would overwrite something that no deploy made: ${describeCollision(first)}${more}`,
    {
      output: collisions.map(describeCollision),
      remedy: 'Move it away on the server, or remove it from the new version. Then run the job again.',
    },
  );
}

/** Processes stand in these: renamed away, they would be in the old version for ever. Relative to live. */
function workingDirectories({ places }: Context, config: readonly DeployApp[]): string[] {
  const within = config
    .filter(({ cwd }) => isWithin(places.live, cwd))
    .map(({ cwd }) => relative(places.live, cwd));
  return [relative(places.live, places.workDir), ...within].filter((path) => path !== '');
}
