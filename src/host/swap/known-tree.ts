import { type Fingerprints, type Generated, parentsOf } from './tree.ts';

/** What one version of ours put at a path. */
export type Known = KnownLeaf | KnownDirectory;

export interface KnownLeaf {
  kind: 'leaf';
  /** Git's fingerprint, or null if the build made it. */
  tracked: string | null;
  /** What the build left there, where that is recorded. */
  content: string | null;
  /** `<size> <mtimeNs>` of a generated file that the app may have written to since. */
  stamp: string | null;
}

export interface KnownDirectory {
  kind: 'directory';
  /** Whether something in it, at any depth, is tracked. */
  tracked: boolean;
  entries: Map<string, Known>;
}

/** All generated leaves of which nothing but the name is recorded. */
export const GENERATED: KnownLeaf = { kind: 'leaf', tracked: null, content: null, stamp: null };

/**
 * One version's tracked and generated paths as a tree. `deleted` says what becomes of the tracked files that its build
 * removed: of a version that comes they are absent; of one that is live they stay known, should they be back.
 */
export function knownTree(
  tracked: Fingerprints,
  generated: Generated | null,
  deleted: 'absent' | 'known',
): KnownDirectory {
  const tree = grower();
  const removed = new Set(generated?.deleted ?? []);
  const rewritten = new Map(Object.entries(generated?.rewritten ?? {}));
  for (const parent of parentsOf(tracked.keys())) tree.directory(parent).tracked = true;
  for (const [path, fingerprint] of tracked) {
    if (removed.has(path) && deleted === 'absent') continue;
    const content = removed.has(path) ? 'deleted' : (rewritten.get(path) ?? null);
    tree.leaf(path, { kind: 'leaf', tracked: fingerprint, content, stamp: null });
  }
  for (const [path, names] of generated?.directories ?? []) {
    const { entries } = tree.directory(path);
    for (const name of names) entries.set(name, GENERATED);
  }
  for (const [path, size, mtimeNs, content] of generated?.singles ?? [])
    tree.leaf(path, { kind: 'leaf', tracked: null, content, stamp: `${size} ${mtimeNs}` });
  if (removed.size > 0 && deleted === 'absent') dropEmptied(tree.top, removed);
  return tree.top;
}

/** Puts a subtree at a path, whatever was known there. */
export function graft(top: KnownDirectory, path: string, what: Known): void {
  const cut = path.lastIndexOf('/');
  const parent = at(top, path.slice(0, Math.max(cut, 0)));
  if (parent?.kind !== 'directory') throw new Error(`nothing is known around ${path}`);
  parent.entries.set(path.slice(cut + 1), what);
}

/** What is known at a path; `''` is the top. */
export function at(top: KnownDirectory, path: string): Known | undefined {
  let found: Known | undefined = top;
  for (const name of path === '' ? [] : path.split('/')) {
    found = found?.kind === 'directory' ? found.entries.get(name) : undefined;
  }
  return found;
}

/** The record without what is not known: a version that was live has files of its app as well. */
export function onlyKnown(generated: Generated, known: KnownDirectory): Generated {
  const isKnown = (path: string): boolean => at(known, path) !== undefined;
  return {
    ...generated,
    roots: generated.roots.filter(isKnown),
    directories: generated.directories
      .filter(([path]) => isKnown(path))
      .map(([path, names]) => [
        path,
        names.filter((name) => isKnown(path === '' ? name : `${path}/${name}`)),
      ]),
    singles: generated.singles.filter(([path]) => isKnown(path)),
  };
}

/** Builds a tree from whole paths; a cache spares walking down from the top for each of them. */
function grower() {
  const top: KnownDirectory = { kind: 'directory', tracked: false, entries: new Map() };
  const directories = new Map<string, KnownDirectory>([['', top]]);
  const directory = (path: string): KnownDirectory => {
    const cached = directories.get(path);
    if (cached !== undefined) return cached;
    const made: KnownDirectory = { kind: 'directory', tracked: false, entries: new Map() };
    directories.set(path, made);
    put(path, made);
    return made;
  };
  const put = (path: string, what: Known): void => {
    const cut = path.lastIndexOf('/');
    directory(path.slice(0, Math.max(cut, 0))).entries.set(path.slice(cut + 1), what);
  };
  return { top, directory, leaf: put };
}

/** A directory of which the build removed all that was tracked, and put nothing in, is not there either. */
function dropEmptied(top: KnownDirectory, removed: ReadonlySet<string>): void {
  const parents = [...parentsOf(removed)].filter((path) => path !== '');
  for (const path of parents.sort((a, b) => b.length - a.length)) {
    const found = at(top, path);
    if (found?.kind !== 'directory' || !found.tracked || found.entries.size > 0) continue;
    const cut = path.lastIndexOf('/');
    const parent = at(top, path.slice(0, Math.max(cut, 0)));
    if (parent?.kind === 'directory') parent.entries.delete(path.slice(cut + 1));
  }
}
