import {
  constants,
  copyFileSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  utimesSync,
} from 'node:fs';
import { type KnownDirectory, knownTree } from './known-tree.ts';
import { removeUnknown } from './remove-unknown.ts';
import { statOf } from './rename.ts';
import type { SwapOp } from './swap-list.ts';
import { type Fingerprints, type Generated, parentsOf, recordGenerated } from './tree.ts';

/** A version that was replaced: its commit's files, what its build made, and the swap that replaced it. */
export interface Before {
  tracked: Fingerprints;
  generated: Generated;
  ops: readonly SwapOp[];
}

/**
 * Makes a whole version of `kept`, where a swap has put all of it that differed: what was the same is copied from `live`.
 * Nothing in `kept` is moved, so it can be run again after a kill at any point. Gives the path, or the sentence's end, of what
 * is no longer as its build left it; null if all of it is.
 */
export function makeWhole(kept: string, live: string, before: Before): string | null {
  const { tracked, generated, ops } = before;
  const version = knownTree(tracked, generated, 'absent');
  const own = new Set(ops.filter((op) => op.live).map(({ path }) => path));
  clear(kept, own);
  const missing = fill(kept, live, version, own);
  if (missing !== null) return missing;
  removeUnknown(kept, version);
  return firstDifference(generated, recordGenerated(kept, tracked));
}

/** Removes all but what the swap has put there: an earlier attempt may have been killed in the middle of a copy. */
function clear(kept: string, own: ReadonlySet<string>): void {
  const parents = parentsOf(own);
  const visit = (directory: string): void => {
    for (const { name } of readdirSync(`${kept}/${directory}`, { withFileTypes: true })) {
      const path = directory === '' ? name : `${directory}/${name}`;
      if (own.has(path)) continue;
      if (parents.has(path)) visit(path);
      else rmSync(`${kept}/${path}`, { recursive: true, force: true });
    }
  };
  visit('');
}

function fill(kept: string, live: string, version: KnownDirectory, own: ReadonlySet<string>): string | null {
  const visit = (directory: string, known: KnownDirectory): string | null => {
    for (const [name, what] of known.entries) {
      const path = directory === '' ? name : `${directory}/${name}`;
      if (own.has(path)) {
        if (statOf(`${kept}/${path}`) === null) return path;
        continue;
      }
      if (what.kind === 'directory') {
        mkdirSync(`${kept}/${path}`, { recursive: true });
        const missing = visit(path, what);
        if (missing !== null) return missing;
      } else if (!copy(`${live}/${path}`, `${kept}/${path}`)) return path;
    }
    return null;
  };
  return visit('', version);
}

/** False if there is no such file or link. */
function copy(from: string, to: string): boolean {
  const stat = lstatSync(from, { throwIfNoEntry: false });
  if (stat?.isSymbolicLink()) symlinkSync(readlinkSync(from), to);
  else if (stat?.isFile()) {
    copyFileSync(from, to, constants.COPYFILE_EXCL | constants.COPYFILE_FICLONE);
    utimesSync(to, stat.atime, stat.mtime);
  } else return false;
  return true;
}

/** The first path that is not as the build left it, or null. What a build left is told by its names, and by its content where the record has that. */
export function firstDifference(recorded: Generated, found: Generated): string | null {
  const names = new Map(found.directories.map(([path, list]) => [path, new Set(list)]));
  for (const [path, list] of recorded.directories) {
    const there = names.get(path);
    if (there === undefined) return path;
    const gone = list.find((name) => !there.has(name));
    if (gone !== undefined) return `${path}/${gone}`;
  }
  const singles = new Map(
    found.singles.map(([path, size, mtimeNs, content]) => [path, { size, mtimeNs, content }]),
  );
  for (const [path, size, mtimeNs, content] of recorded.singles) {
    const there = singles.get(path);
    const same = content === null ? there?.mtimeNs === mtimeNs : there?.content === content;
    if (there?.size !== size || !same) return path;
  }
  const rewritten = new Set([...Object.keys(recorded.rewritten), ...Object.keys(found.rewritten)]);
  // In the place of what the version does not have may be a link to what all versions share.
  const changed = [...rewritten].find(
    (path) => recorded.rewritten[path] !== found.rewritten[path] && !recorded.deleted.includes(path),
  );
  return changed ?? found.deleted.find((path) => !recorded.deleted.includes(path)) ?? null;
}
