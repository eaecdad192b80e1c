import { type Check, fields, flag, text } from '../system/checked.ts';
import { adopt, adoptionCandidates } from './adoption.ts';
import { type Own, type Ownership, ownership, type Why } from './apps-own.ts';
import { at, GENERATED, graft, type Known, type KnownDirectory, knownTree } from './known-tree.ts';
import { databaseOf, type LiveTree, readTree } from './live-tree.ts';
import { ownPaths } from './own-paths.ts';
import { type Fingerprints, type Generated, parentsOf } from './tree.ts';

/** One path that is exchanged as a whole: what is `live` there goes to kept, what `staging` has takes its place. */
export interface SwapOp {
  path: string;
  live: boolean;
  staging: boolean;
}

export const swapOp: Check<SwapOp> = fields({ path: text, live: flag, staging: flag });

/** Something of the app's own that the new version's `at` would replace. */
export interface Collision extends Own {
  at: string;
  brings: 'tracked' | 'generated';
}

export interface SwapInput {
  /** Directories, absolute. Staging is known by its records alone: what was linked into it later never counts. */
  live: string;
  staging: string;
  /** Names at the top of live that are no part of the checkout. */
  hidden?: ReadonlySet<string>;
  trackedOld: Fingerprints;
  trackedNew: Fingerprints;
  /** Null if no deploy of ours was before. */
  generatedOld: Generated | null;
  generatedNew: Generated;
  /**
   * Files that the deploy's inputs bring. They take the place of whatever is there, which is kept. No directory above one is
   * exchanged as a whole: the way back would take the file for one that the app wrote, and leave it in live.
   */
  given: readonly string[];
  /** Tracked paths that git was told not to look at. */
  flagged: ReadonlySet<string>;
  /** Tracked paths whose local changes are replaced, since they are saved elsewhere. */
  changed?: ReadonlySet<string>;
  /** Of the given paths, those that git ignores in live. */
  ignored: (paths: readonly string[]) => ReadonlySet<string> | Promise<ReadonlySet<string>>;
  /** Directories, relative, that are never moved as a whole, nor what they lie in: processes stand in them. */
  pinned?: readonly string[];
}

export interface SwapList {
  /** Sorted; none lies within another. */
  ops: SwapOp[];
  /** With any of these, the list must not be carried out. */
  collisions: Collision[];
  /** Paths that a deploy by hand seems to have built, and that are handled as if one of ours had. */
  adopted: string[];
  /** The app's own files that the build has made exactly so: they stay, and stay the app's own. */
  same: string[];
}

/** What else is known once the swap is listed. */
export interface Surroundings {
  /** All that the new version has. */
  version: KnownDirectory;
  /** The topmost paths of live that are the app's own; looks at live when it is called. */
  own(): string[];
}

/** Lists what has to be exchanged so that live becomes the version in staging. Changes nothing. */
export async function swapList(input: SwapInput): Promise<SwapList & Surroundings> {
  const live = readTree(input.live, input.staging, input.hidden);
  const candidates = input.generatedOld === null ? adoptionCandidates(live, input.trackedOld) : [];
  const ignored = candidates.length === 0 ? new Set<string>() : await input.ignored(candidates);
  return listSwaps({ ...input, live, adoptable: candidates.filter((path) => ignored.has(path)) });
}

type Listing = Omit<SwapInput, 'live' | 'staging' | 'ignored'> & {
  live: LiveTree;
  adoptable: readonly string[];
};

/** The rules, over data: `live` is asked only about paths that a version of ours has, or had. */
export function listSwaps(input: Listing): SwapList & Surroundings {
  const {
    live,
    trackedOld,
    trackedNew,
    generatedOld,
    generatedNew,
    pinned = [],
    changed = new Set(),
  } = input;
  const old = knownTree(trackedOld, generatedOld, 'known');
  const next = knownTree(trackedNew, generatedNew, 'absent');
  const found: SwapList = { ops: [], collisions: [], adopted: [], same: [] };
  const barred = new Set<string>();
  for (const path of input.adoptable) {
    const coming = at(next, path);
    const known = live.kind(path) === 'directory' ? adopt(live, path, coming) : GENERATED;
    if ('database' in known) {
      barred.add(path);
      if (coming) collide(found, { path: known.database, why: 'database' }, path, coming);
    } else {
      graft(old, path, known);
      found.adopted.push(path);
    }
  }
  for (const path of input.given) graft(next, path, GENERATED);
  const own = ownership(live, input.flagged);
  const walk: Walk = {
    live,
    own,
    found,
    barred,
    changed,
    given: new Set(input.given),
    pinned: new Set([...pinned, ...parentsOf([...pinned, ...input.given])]),
  };
  merge(walk, '', old, next);
  found.ops.sort((a, b) => (a.path < b.path ? -1 : 1));
  const exchanged = new Set(found.ops.map(({ path }) => path));
  return { ...found, version: next, own: () => ownPaths(live, own, old, exchanged) };
}

interface Walk {
  live: LiveTree;
  own: Ownership;
  found: SwapList;
  /** Left entirely alone. */
  barred: ReadonlySet<string>;
  changed: ReadonlySet<string>;
  given: ReadonlySet<string>;
  pinned: ReadonlySet<string>;
}

/** A directory that stays in live, for one of these reasons: entry by entry. */
function merge(walk: Walk, directory: string, old: KnownDirectory | null, next: KnownDirectory | null): void {
  const names = new Set([...(old?.entries.keys() ?? []), ...(next?.entries.keys() ?? [])]);
  for (const name of names) {
    const path = directory === '' ? name : `${directory}/${name}`;
    if (!walk.barred.has(path)) entry(walk, path, old?.entries.get(name), next?.entries.get(name));
  }
}

function entry(walk: Walk, path: string, old: Known | undefined, next: Known | undefined): void {
  const { live, own, found } = walk;
  if (!differs(walk, path, old, next)) return;
  const exchange = (): unknown => found.ops.push({ path, live: true, staging: next !== undefined });
  const kind = live.kind(path);

  if (kind === 'leaf' && walk.given.has(path)) {
    // What the inputs bring is secret, so an equal file that others can read is replaced too.
    if (!live.sameAsStaging(path) || !live.isPrivate(path)) exchange();
  } else if (kind === null) {
    if (next === undefined) return;
    // A journal of the build's beside the app's database would be read as that database's.
    const database = databaseOf(path);
    if (database !== null && live.isDatabase(database))
      collide(found, { path: database, why: 'database' }, path, next);
    else found.ops.push({ path, live: false, staging: true });
  } else if (kind === 'leaf') {
    const why = own.ofLeaf(path, old, next);
    if (why === null) exchange();
    else if (next?.kind === 'leaf' && live.sameAsStaging(path)) {
      if (old?.kind !== 'leaf') found.same.push(path);
    } else if (next !== undefined) collide(found, { path, why }, path, next);
  } else if (next?.kind === 'leaf') {
    const inside: Own | null = old?.kind === 'directory' ? own.within(path, old) : { path, why: 'untracked' };
    if (inside === null) exchange();
    else collide(found, inside, path, next);
  } else {
    const known = old?.kind === 'directory' ? old : null;
    if (known !== null && !walk.pinned.has(path) && own.within(path, known) === null) exchange();
    else merge(walk, path, known, next ?? null);
  }
}

/** Whether the versions differ there: generated directories always do, for nothing but names is recorded of them. */
function differs(walk: Walk, path: string, old: Known | undefined, next: Known | undefined): boolean {
  if (walk.changed.has(path)) return true;
  if (old?.kind === 'leaf' && next?.kind === 'leaf') {
    if (old.tracked !== null && next.tracked !== null)
      return old.content === null && next.content === null
        ? old.tracked !== next.tracked
        : old.content !== next.content;
    const same = old.stamp !== null && old.content !== null && old.content === next.content;
    return !same || walk.live.kind(path) !== 'leaf' || walk.own.changed(path, old);
  }
  if (old?.kind !== 'directory' || next?.kind !== 'directory') return true;
  if (!old.tracked && !next.tracked) return old.entries.size + next.entries.size > 0;
  if (old.entries.size !== next.entries.size) return true;
  for (const [name, known] of old.entries) {
    if (differs(walk, path === '' ? name : `${path}/${name}`, known, next.entries.get(name))) return true;
  }
  return false;
}

function collide(found: SwapList, own: Own, at: string, next: Known): void {
  found.collisions.push({
    ...own,
    at,
    brings: next.tracked === null || next.tracked === false ? 'generated' : 'tracked',
  });
}

const REASONS: Record<Why, string> = {
  untracked: 'is neither tracked by git nor made by an earlier deploy',
  changed: 'was changed since a deploy put it there',
  database: 'is a database that the app may have written to',
  flagged: 'is marked skip-worktree or assume-unchanged, so that local changes in it would not be seen',
};
const REMEDIES: Record<Why, string> = {
  untracked: 'move it away on the server if nothing needs it, or keep the new version from bringing its own',
  changed:
    'move it away on the server if the new one is wanted, or have the app write to a path that no build makes',
  database: 'give the build another database than the production one, or keep it out of the repository',
  flagged:
    "put the new version's content there, or take the mark off with 'git update-index --no-skip-worktree --no-assume-unchanged'",
};

/** One line for the user: what is in the way, of what, and what to do. */
export function describeCollision({ path, why, at, brings }: Collision): string {
  const bringer = brings === 'tracked' ? 'the commit has' : 'the build made';
  const its = at === path ? 'its own' : JSON.stringify(at);
  return `${JSON.stringify(path)} ${REASONS[why]}, and ${bringer} ${its}: ${REMEDIES[why]}.`;
}
