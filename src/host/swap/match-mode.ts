import { type BigIntStats, chmodSync, lchownSync, readdirSync } from 'node:fs';
import { dirname } from 'node:path';
import { codeOf, statOf } from './rename.ts';
import type { SwapPlaces } from './swap.ts';
import type { SwapOp } from './swap-list.ts';

const SETGID = 0o2000n;
const PERMISSIONS = 0o7777n;

/** What something in staging is to look like. */
interface Look {
  /** Null leaves it. */
  uid: bigint | null;
  gid: bigint | null;
  /** Bits that every directory gets. */
  setgid: bigint;
}

/**
 * Gives what is about to come to live the group, mode and owner of what it replaces, or of the directory that it comes
 * to as if it were made there: a rename keeps staging's, and a web server of another group could no longer read it.
 * The owner is changed only by root; a group that this user may not give is left. Returns the paths that were left so.
 */
export function matchOwnership(places: SwapPlaces, ops: readonly SwapOp[]): string[] {
  const isRoot = process.geteuid?.() === 0;
  const refused = new Set<string>();

  const dress = (path: string, coming: BigIntStats, look: Look, mode: bigint): void => {
    const file = `${places.staging}/${path}`;
    // A file with several names belongs to a package store, and perhaps to live, as well.
    if (coming.isFile() && coming.nlink > 1n) return;
    const uid = look.uid ?? coming.uid;
    const gid = look.gid ?? coming.gid;
    let touched = false;
    if (uid !== coming.uid || gid !== coming.gid) {
      touched = permitted(() => lchownSync(file, Number(uid), Number(gid)));
      if (!touched) refused.add(path);
    }
    // Giving a file away can take mode bits off it.
    if (coming.isSymbolicLink() || (!touched && mode === (coming.mode & PERMISSIONS))) return;
    if (!permitted(() => chmodSync(file, Number(mode)))) refused.add(path);
  };

  const match = (path: string, coming: BigIntStats, replaced: BigIntStats | null, inherited: Look): void => {
    const alike = replaced !== null && kindOf(replaced) === kindOf(coming) ? replaced : null;
    const look = replaced === null ? inherited : lookOf(replaced, isRoot, inherited);
    dress(path, coming, look, modeFor(coming, alike, look));
    if (!coming.isDirectory()) return;
    const same = (look.uid ?? coming.uid) === coming.uid && (look.gid ?? coming.gid) === coming.gid;
    const settled = same && (look.setgid === 0n || (coming.mode & SETGID) !== 0n);
    // Below, only a counterpart in live could still ask for something else; nobody dresses packages one by one.
    if (settled && (alike === null || path.endsWith('node_modules'))) return;
    for (const name of readdirSync(`${places.staging}/${path}`)) {
      const below = `${path}/${name}`;
      const one = statOf(`${places.staging}/${below}`);
      if (one !== null && name !== '.git')
        match(below, one, alike === null ? null : statOf(`${places.live}/${below}`), look);
    }
  };

  for (const { path, live, staging } of ops) {
    const coming = staging ? statOf(`${places.staging}/${path}`) : null;
    const parent = statOf(dirname(`${places.live}/${path}`));
    if (coming === null || parent === null) continue;
    match(path, coming, live ? statOf(`${places.live}/${path}`) : null, inheritedFrom(parent, isRoot));
  }
  return [...refused];
}

/** As if it were made in that directory: by its owner where root deploys, with its group where that is passed on. */
function inheritedFrom(parent: BigIntStats, isRoot: boolean): Look {
  const setgid = parent.mode & SETGID;
  return { uid: isRoot ? parent.uid : null, gid: isRoot || setgid !== 0n ? parent.gid : null, setgid };
}

function lookOf(replaced: BigIntStats, isRoot: boolean, inherited: Look): Look {
  const setgid = replaced.isDirectory() ? replaced.mode & SETGID : inherited.setgid;
  return { uid: isRoot ? replaced.uid : null, gid: replaced.gid, setgid };
}

/** A directory takes the mode of the one before, a file too, but whether it can be executed is the new version's to say. */
function modeFor(coming: BigIntStats, replaced: BigIntStats | null, look: Look): bigint {
  const mode = (replaced ?? coming).mode & PERMISSIONS;
  if (coming.isDirectory()) return replaced === null ? mode | look.setgid : mode;
  if (replaced === null) return mode;
  const readable = mode & 0o444n;
  return (mode & 0o666n) | ((coming.mode & 0o100n) !== 0n ? readable >> 2n : 0n);
}

function kindOf(stat: BigIntStats): string {
  return stat.isDirectory() ? 'directory' : stat.isFile() ? 'file' : 'other';
}

/** False if this user may not. */
function permitted(change: () => void): boolean {
  try {
    change();
    return true;
  } catch (error) {
    if (codeOf(error) === 'EPERM') return false;
    throw error;
  }
}
