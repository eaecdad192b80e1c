import { mkdirSync, readdirSync, renameSync, rmSync, symlinkSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import { realOrSame } from '../system/paths.ts';
import { at, GENERATED, type KnownDirectory } from './known-tree.ts';
import { codeOf, isSameFile, type OnStep, removeName, renameIfFree, statOf } from './rename.ts';

/** Why something cannot move: it is a mount point, lies on another filesystem, or belongs to someone else. */
const STAYS = new Set(['EXDEV', 'EBUSY', 'EACCES', 'EPERM']);

/** A version in a directory of its own, which gets links to what outlasts it. */
export interface Linked {
  /** Its directory, and all that it has; links are added to both. */
  release: string;
  version: KnownDirectory;
  /** Files in it that the deploy's inputs brought, and that no link replaces. */
  given: ReadonlySet<string>;
  /** Paths that have links already. */
  links: Set<string>;
}

/**
 * Links `path` of the version to `from`. If both are directories, it links what is in them. Gives the paths of the version that
 * are in the way. Can be run again.
 */
export function linkLasting(linked: Linked, path: string, from: string): string[] {
  const { release, version, given, links } = linked;
  if (given.has(path) || links.has(path)) return [];
  const there = statOf(`${release}/${path}`);
  const known = at(version, path);
  if (there === null || (known === undefined && there.isSymbolicLink())) {
    if (there === null) makeLink(from, `${release}/${path}`);
    learn(version, path);
    links.add(path);
    return [];
  }
  if (!there.isDirectory() || !statOf(from)?.isDirectory()) return [path];
  return readdirSync(from).flatMap((name) => linkLasting(linked, `${path}/${name}`, `${from}/${name}`));
}

function makeLink(target: string, link: string): void {
  mkdirSync(dirname(link), { recursive: true });
  symlinkSync(relative(dirname(link), target), link);
}

/** Makes a link lead to `target`, whatever it led to, with no moment without one. */
export function setLink(target: string, link: string): void {
  const next = `${link}.pm2-ssh-deploy`;
  rmSync(next, { force: true });
  makeLink(target, next);
  renameSync(next, link);
}

/** Notes that the version has something at `path`, so that it is not taken for what a canary left. */
export function learn(version: KnownDirectory, path: string): void {
  const names = path.split('/');
  const last = names.pop() ?? '';
  let directory = version;
  for (const name of names) {
    const there = directory.entries.get(name);
    const next: KnownDirectory =
      there?.kind === 'directory' ? there : { kind: 'directory', tracked: false, entries: new Map() };
    directory.entries.set(name, next);
    directory = next;
  }
  if (!directory.entries.has(last)) directory.entries.set(last, GENERATED);
}

/**
 * Moves what `from` has at `path` into `shared`, and leaves a link to it there. A `release` that has nothing of its own at `path`
 * gets a link that leads straight to `shared`. What is done already is told by the disk, so it can be run again after a kill at any point.
 * False if it stays where it is: `shared` has something else there, or it cannot be moved.
 */
export function moveToShared(
  from: string,
  shared: string,
  path: string,
  release: string | null,
  onStep: OnStep = () => {},
): boolean {
  const [old, place] = [join(from, path), join(shared, path)];
  const here = statOf(old);
  if (here !== null && !here.isSymbolicLink()) {
    mkdirSync(dirname(place), { recursive: true });
    try {
      // A kill between the two names of a file has left both.
      if (isSameFile(here, statOf(place))) removeName(old, onStep);
      else if (statOf(place) !== null || !renameIfFree(old, place, onStep)) return false;
    } catch (error) {
      if (STAYS.has(codeOf(error))) return false;
      throw error;
    }
  }
  if (statOf(place) === null) return false;
  if (statOf(old) === null) {
    makeLink(place, old);
    onStep();
  }
  if (release !== null) relink(join(release, path), place);
  return true;
}

/** Only a link that leads there already is exchanged: another one is the version's own. */
function relink(link: string, place: string): void {
  const there = statOf(link);
  const leadsThere = there?.isSymbolicLink() && realOrSame(link) === realOrSame(place);
  if (there === null || leadsThere) setLink(place, link);
}

/** Directories in which everything goes with the version that wrote it: packages, and caches of frameworks. */
const GOES_WITH_ITS_VERSION =
  /(^|\/)(node_modules|\.next|\.nuxt|\.svelte-kit|\.cache|\.turbo|\.vite|\.parcel-cache)(\/|$)/;

/** Whether all in it goes with the version that wrote it. */
export function isOfItsVersion(path: string): boolean {
  return GOES_WITH_ITS_VERSION.test(path);
}

/**
 * The topmost paths in a version's directory that its app has made since, without links and without env files: those each
 * version has for itself.
 */
export function madeByApp(release: string, known: KnownDirectory): string[] {
  const found: string[] = [];
  const visit = (directory: string, old: KnownDirectory): void => {
    for (const entry of readdirSync(join(release, directory), { withFileTypes: true })) {
      const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
      if (entry.name === '.git' || isOfItsVersion(path)) continue;
      const there = old.entries.get(entry.name);
      if (there?.kind === 'directory' && entry.isDirectory()) visit(path, there);
      else if (there === undefined && !entry.isSymbolicLink() && !entry.name.startsWith('.env'))
        found.push(path);
    }
  };
  visit('', known);
  return found;
}
