import { mkdirSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { at, type KnownDirectory, knownTree } from './known-tree.ts';
import { isOfOneVersion } from './own-names.ts';
import { renameIfFree, statOf } from './rename.ts';
import type { SwapOp } from './swap-list.ts';
import type { Fingerprints, Generated } from './tree.ts';

/** Both by path, sorted as they were found. */
export interface Strays {
  /** Back in live. */
  brought: string[];
  /** Still where they were: live has something there. */
  left: string[];
}

/** False if live has something there or in the way, or where it has gone by itself: no reason to stop a rollback. */
function moveBack(from: string, to: string): boolean {
  try {
    mkdirSync(dirname(to), { recursive: true });
    return statOf(to) === null && renameIfFree(from, to, () => {});
  } catch {
    return false;
  }
}

/**
 * Brings the app's own things back to live that went along in a directory which was moved as a whole: an app writes at
 * any moment, so something can come up in such a directory after the swap was listed, or while its version was live.
 * `from` is kept after a swap forward, staging after one backward; `tracked` and `generated` are those of the version
 * that lies there now, and `given` the files that the deploy's inputs brought to it. Without a record (null) nothing can be
 * told apart, and nothing is brought. May be run again.
 */
export function bringBack(
  from: string,
  live: string,
  version: { tracked: Fingerprints; generated: Generated | null; given?: readonly string[] },
  ops: readonly SwapOp[],
): Strays {
  const strays: Strays = { brought: [], left: [] };
  if (version.generated === null) return strays;
  const known = knownTree(version.tracked, version.generated, 'known');
  const visit = (directory: string, old: KnownDirectory): void => {
    if (isOfOneVersion(directory)) return;
    for (const entry of readdirSync(`${from}/${directory}`, { withFileTypes: true })) {
      const path = `${directory}/${entry.name}`;
      const there = old.entries.get(entry.name);
      if (there?.kind === 'directory' && entry.isDirectory()) visit(path, there);
      else if (there === undefined && entry.name !== '.git' && version.given?.includes(path) !== true) {
        const moved = moveBack(`${from}/${path}`, `${live}/${path}`);
        strays[moved ? 'brought' : 'left'].push(path);
      }
    }
  };
  for (const { path } of ops) {
    const there = at(known, path);
    if (there?.kind === 'directory' && statOf(`${from}/${path}`)?.isDirectory()) visit(path, there);
  }
  return strays;
}
