import { copyFileSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import type { Staged } from '../build/stage.ts';
import type { Aside } from '../canary/own-entries.ts';
import { type Context, warn } from '../context.ts';
import { type Head, trackedFiles } from '../git/checkout.ts';
import { currentIn, LAYOUT_NAMES, releasesIn, sharedIn, treeOf } from '../state/places.ts';
import type { ReleasesSwap } from '../state/transaction.ts';
import { isOfItsVersion, type Linked, learn, linkLasting } from '../swap/lasting-entries.ts';
import { readTree } from '../swap/live-tree.ts';
import { matchOwnership } from '../swap/match-mode.ts';
import { saveRecordAgain } from '../swap/record.ts';
import { statOf } from '../swap/rename.ts';
import { type Generated, withoutPaths } from '../swap/tree.ts';
import { run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { exists, isWithin, realOrSame } from '../system/paths.ts';
import { compare } from './live-checkout.ts';

/** What the staged version needs of this host: all that outlasts a version, as links. */
export async function listRelease(
  context: Context,
  staged: Staged,
  head: Head,
  generatedOld: Generated | null,
): Promise<{ swap: ReleasesSwap } & Aside> {
  const { places } = context;
  const { top } = places;
  const [tree, shared] = [treeOf(places), sharedIn(top)];
  const { staging } = staged;
  await refuseNames(context, tree, head);
  mkdirSync(shared, { recursive: true });
  const named = await giveWay(context, staged, tree);
  const { own, same, version } = await compare(context, staged, head, generatedOld);
  const lasting = whole(
    own().filter((path) => !isOfItsVersion(path) && !same.includes(path)),
    named,
    tree,
  );
  const given = new Set([...staged.given, ...copyEnvFiles(lasting, tree, top, staging)]);
  for (const path of given) learn(version, path);
  const linked = { release: staging, version, given, links: new Set<string>() };

  const movable: string[] = [];
  const blocked: string[] = [];
  const { isDatabase } = readTree(tree, tree);
  for (const path of lasting) {
    const from = join(tree, path);
    const target = statOf(from)?.isSymbolicLink() ? realOrSame(from) : from;
    // What is shared already is linked below, as long as it is there.
    if (isWithin(shared, target)) continue;
    // A version that was live before may have it itself, and the one that is live a link to that.
    if (isWithin(staging, target)) {
      learn(version, path);
      linked.links.add(path);
      continue;
    }
    const isElsewhere = target !== from && isWithin(top, target) && !isWithin(tree, target);
    blocked.push(...linkLasting(linked, path, isElsewhere ? target : from));
    if (target === from && !given.has(path) && !isDatabase(path)) movable.push(path);
  }
  const showOwn = (): void => {
    refuseBlocked([...blocked, ...linkAll(linked, shared)]);
  };
  showOwn();
  const previous = tree === top ? null : tree;
  return {
    swap: { layout: 'releases', head, staging, previous, own: movable },
    version,
    ownHome: shared,
    showOwn,
  };
}

/** All that lies in `shared`. Gives what is in the way. */
function linkAll(linked: Linked, shared: string): string[] {
  return readTree(shared, shared)
    .list('', Number.POSITIVE_INFINITY)
    .flatMap(([name]) => linkLasting(linked, name, join(shared, name)));
}

function refuseBlocked(paths: readonly string[]): void {
  if (paths.length === 0) return;
  throw new DeployFailure(
    `The server has its own ${paths.slice(0, 5).join(', ')}, and so has the new version.`,
    {
      remedy:
        'To use the one of the server, name it in the input shared. To use the one of the commit, remove it from the directory shared on the server.',
      output: paths.slice(0, 50),
    },
  );
}

/** The names that this layout needs in the app's directory must not be the app's. */
async function refuseNames({ places, git }: Context, tree: string, head: Head): Promise<void> {
  const { top, live } = places;
  const link = statOf(currentIn(top));
  if (link !== null && !link.isSymbolicLink())
    throw new DeployFailure(`${live} is no link, so it cannot lead to the version that runs.`, {
      remedy: 'Layout releases needs that name. Move it away, or set path to a new directory.',
    });
  if (link !== null && tree === top)
    throw new DeployFailure(`${live} leads to a directory that is gone.`, {
      remedy: `Let it lead to a directory in ${releasesIn(top)}, or remove the link and the apps in PM2 to begin anew.`,
    });
  if (tree !== top || head.sha === null) return;
  const tracked = [...(await trackedFiles(git, head.sha)).keys()];
  const taken = LAYOUT_NAMES.find((name) => tracked.some((path) => path.startsWith(`${name}/`)));
  if (taken !== undefined)
    throw new DeployFailure(`The checkout at ${top} has a directory '${taken}' of its own.`, {
      remedy: 'Layout releases needs that name. Set path to a new directory.',
    });
}

/** A directory that the plan names is taken as a whole, whatever of it is tracked. */
function whole(own: readonly string[], named: readonly string[], tree: string): string[] {
  const taken = named.filter((path) => {
    const stat = statOf(join(tree, path));
    return stat !== null && !stat.isSymbolicLink();
  });
  const isIn = (path: string): boolean => taken.some((one) => path === one || path.startsWith(`${one}/`));
  return [...own.filter((path) => !isIn(path)), ...taken];
}

/**
 * Takes what the plan names as shared out of the version, and out of its record. What the server has nowhere yet begins with the
 * version's own, or as an empty directory. Gives the names, relative to the version.
 */
async function giveWay({ plan, places, git }: Context, staged: Staged, tree: string): Promise<string[]> {
  if (plan.layout.kind !== 'releases') return [];
  const all = plan.layout.shared.map((path) => join(plan.workingDirectory, path));
  // Each version has what an input brought for itself.
  const named = all.filter(
    (path) => !staged.given.includes(path) && !all.some((other) => path.startsWith(`${other}/`)),
  );
  if (named.length === 0) return [];
  refuseEnvFileIn(named, staged.given);
  for (const path of named) {
    const [own, place] = [join(staged.staging, path), join(sharedIn(places.top), path)];
    const there = statOf(own);
    const isVersions = there !== null && !there.isSymbolicLink();
    if (statOf(place) === null && statOf(join(tree, path)) === null) {
      if (!isVersions && isNamedLikeFile(path)) throw missingFile(path, place);
      mkdirSync(dirname(place), { recursive: true });
      if (isVersions) renameSync(own, place);
      else mkdirSync(place);
    } else if (isVersions) rmSync(own, { recursive: true });
  }
  const tracked = await trackedFiles(git, staged.sha);
  staged.generated = withoutPaths(staged.generated, tracked.keys(), named);
  staged.record = saveRecordAgain(places.state, plan.deployId, staged.generated, staged.record);
  return named;
}

function refuseEnvFileIn(named: readonly string[], given: readonly string[]): void {
  for (const path of given) {
    const directory = named.find((one) => path.startsWith(`${one}/`));
    if (directory === undefined) continue;
    throw new DeployFailure(`The env file ${path} lies in ${directory}, which is shared by all versions.`, {
      remedy: 'Each version has its own env file. Set env-file-path to another directory.',
    });
  }
}

/** `.env`, or a name with an ending: as a directory it would be of no use to the app. */
function isNamedLikeFile(path: string): boolean {
  return /^(\.env|.+\.\w+$)/.test(basename(path));
}

function missingFile(path: string, place: string): DeployFailure {
  return new DeployFailure(`shared names ${path}, and neither the server nor the commit has it.`, {
    remedy: `Put the file at ${place} on the server. If it is to be a directory, make that there.`,
  });
}

/**
 * Each version has env files of its own where `env-file` brought them: a rollback brings the old ones back. Without `env-file`
 * the last ones stay.
 */
function copyEnvFiles(paths: readonly string[], tree: string, top: string, staging: string): string[] {
  if (tree === top) return [];
  const copied = paths.filter(
    (path) => basename(path).startsWith('.env') && statOf(join(tree, path))?.isFile() === true,
  );
  for (const path of copied) {
    const to = join(staging, path);
    if (exists(to)) continue;
    mkdirSync(dirname(to), { recursive: true });
    copyFileSync(join(tree, path), to);
  }
  return copied;
}

/** Makes the new version look like the one before, and brings it to disk before it is relied upon. */
export async function settleRelease(context: Context, { staging }: ReleasesSwap): Promise<void> {
  const live = treeOf(context.places);
  const unlike = matchOwnership({ live, staging, kept: staging }, [{ path: '.', live: true, staging: true }]);
  if (unlike.length > 0)
    warn(
      context.log,
      `This user may not set the group or mode of the files of the new version: ${unlike.slice(0, 5).join(', ')}.`,
    );
  await run('sync', ['-f', staging], { cwd: '/', env: context.env, timeLimit: 120_000 });
}
