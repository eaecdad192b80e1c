import { createHash } from 'node:crypto';
import { type BigIntStats, lstatSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { isNamedLikeOwn } from './own-names.ts';

/** Path to git's `<mode> <object>` of every file of one commit. */
export type Fingerprints = ReadonlyMap<string, string>;

/** A generated file or link in a directory of tracked things, as the build left it. */
export type Single = [path: string, size: number, mtimeNs: string, content: string | null];

/**
 * What a build made, recorded when it ends; it goes to disk as JSON. Paths are relative and `/`-separated, and
 * nothing below a `.git` is ever in it.
 */
export interface Generated {
  /** The generated directories and files that lie beside tracked ones: all else that was made lies in these. */
  roots: string[];
  /** Every directory that holds nothing tracked, a parent before its children, with its files and links. */
  directories: [path: string, names: string[]][];
  /**
   * What the app may write to: generated files beside tracked ones, those in a directory that is named like an app's own
   * (`data`, `uploads`), and what could be a database in `node_modules`.
   */
  singles: Single[];
  /** Tracked files that the build changed: path to the sha256 of what it left there. */
  rewritten: Record<string, string>;
  /** Tracked files that the build removed. */
  deleted: string[];
  /** Files above that earlier versions made, which stay for pages that are open; the newest version first. */
  assets: KeptAssets[];
}

/** Hashed files of one version that was replaced. */
export interface KeptAssets {
  sha: string;
  /** Milliseconds since 1970. */
  replacedAt: number;
  paths: string[];
}

/** A larger file is known by its size and time alone. */
const HASHED_UP_TO = 8 * 1024 * 1024;
const IN_NODE_MODULES = /(^|\/)node_modules\//;
const NAMED_LIKE_A_DATABASE = /\.(db|db3|s3db|sqlite|sqlite3|sqlitedb)$/i;

/** Whether a path lies below a directory named node_modules. */
export function inNodeModules(path: string): boolean {
  return IN_NODE_MODULES.test(path);
}

/**
 * Looks at a finished build: `tracked` is the commit that was checked out in `staging` before it, and `assets` was put there
 * after it. Whatever is linked into `staging` later is no part of it. Throws what the file system throws.
 */
export function recordGenerated(
  staging: string,
  tracked: Fingerprints,
  assets: KeptAssets[] = [],
): Generated {
  const roots: string[] = [];
  const directories: Generated['directories'] = [];
  const singles: Single[] = [];
  const rewritten: [string, string][] = [];
  const known = parentsOf(tracked.keys());
  const seen = new Set<string>();

  const walk = (directory: string): void => {
    const prefix = directory === '' ? '' : `${directory}/`;
    const hasTracked = known.has(directory);
    const names: string[] = [];
    const below: string[] = [];
    for (const entry of readdirSync(directory === '' ? staging : `${staging}/${directory}`, {
      withFileTypes: true,
    })) {
      if (entry.name === '.git') continue;
      const path = prefix + entry.name;
      const fingerprint = tracked.get(path);
      const isTracked = entry.isDirectory() ? known.has(path) : fingerprint !== undefined;
      if (hasTracked && !isTracked) roots.push(path);
      if (entry.isDirectory()) below.push(path);
      else if (fingerprint !== undefined) {
        seen.add(path);
        const content = changedContent(`${staging}/${path}`, fingerprint);
        if (content !== null) rewritten.push([path, content]);
      } else {
        const watched = hasTracked || mayBeWritten(path, entry.name);
        if (!hasTracked) names.push(entry.name);
        if (watched) singles.push(single(staging, path));
      }
    }
    if (!hasTracked) directories.push([directory, names]);
    for (const path of below) walk(path);
  };
  walk('');
  const deleted = [...tracked.keys()].filter((path) => !seen.has(path));
  return { roots, directories, singles, rewritten: Object.fromEntries(rewritten), deleted, assets };
}

/** The record without these paths of single files: the app had the same files there, and they stay its own. */
export function disown(generated: Generated, paths: readonly string[]): Generated {
  const own = new Set(paths);
  const isBuilt = (path: string): boolean => !own.has(path);
  return {
    ...generated,
    roots: generated.roots.filter(isBuilt),
    directories: generated.directories.map(([path, names]) => [
      path,
      names.filter((name) => isBuilt(`${path}/${name}`)),
    ]),
    singles: generated.singles.filter(([path]) => isBuilt(path)),
  };
}

/** The record without these paths and all in them: the version has them no more. `tracked` are the commit's files. */
export function withoutPaths(
  generated: Generated,
  tracked: Iterable<string>,
  paths: readonly string[],
): Generated {
  const stays = (path: string): boolean => !paths.some((one) => path === one || path.startsWith(`${one}/`));
  const gone = [...tracked].filter((path) => !stays(path));
  return {
    ...generated,
    roots: generated.roots.filter(stays),
    directories: generated.directories
      .filter(([path]) => stays(path))
      .map(([path, names]) => [path, names.filter((name) => stays(path === '' ? name : `${path}/${name}`))]),
    singles: generated.singles.filter(([path]) => stays(path)),
    rewritten: Object.fromEntries(Object.entries(generated.rewritten).filter(([path]) => stays(path))),
    deleted: [...new Set([...generated.deleted, ...gone])],
  };
}

function mayBeWritten(path: string, name: string): boolean {
  if (inNodeModules(path)) return NAMED_LIKE_A_DATABASE.test(name);
  return path.split('/').some(isNamedLikeOwn);
}

/** Every directory that holds one of the paths, at any depth; `''` is the top and always one. */
export function parentsOf(paths: Iterable<string>): Set<string> {
  const parents = new Set(['']);
  for (const path of paths) {
    for (let cut = path.lastIndexOf('/'); cut > 0; cut = path.lastIndexOf('/', cut - 1)) {
      const parent = path.slice(0, cut);
      if (parents.has(parent)) break;
      parents.add(parent);
    }
  }
  return parents;
}

/** Identifies what a file or link holds, and whether it can be executed; null if that cannot be told cheaply. */
export function contentOf(file: string, stat: BigIntStats): string | null {
  if (stat.isSymbolicLink()) return `link ${readlinkSync(file)}`;
  if (!stat.isFile() || stat.size > HASHED_UP_TO) return null;
  return `${sha256(readFileSync(file))}${stat.mode & 0o100n ? ' executable' : ''}`;
}

function single(staging: string, path: string): Single {
  const stat = lstatSync(`${staging}/${path}`, { bigint: true });
  return [path, Number(stat.size), String(stat.mtimeNs), contentOf(`${staging}/${path}`, stat)];
}

/** The sha256 of a tracked file that is no longer what git checked out, else null. */
function changedContent(file: string, fingerprint: string): string | null {
  const [mode, object = ''] = fingerprint.split(' ');
  const stat = lstatSync(file);
  const content = stat.isSymbolicLink()
    ? readlinkSync(file, 'buffer')
    : stat.isFile()
      ? readFileSync(file)
      : null;
  // A pipe or socket in a tracked file's place: no content will ever be equal to this.
  if (content === null) return 'not a file';
  const found = stat.isSymbolicLink() ? '120000' : stat.mode & 0o100 ? '100755' : '100644';
  const hash = createHash(object.length === 64 ? 'sha256' : 'sha1').update(`blob ${content.length}\0`);
  return found === mode && hash.update(content).digest('hex') === object ? null : sha256(content);
}

function sha256(content: Buffer): string {
  return createHash('sha256').update(content).digest('hex');
}
