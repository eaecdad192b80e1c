import type { Known, KnownDirectory, KnownLeaf } from './known-tree.ts';
import { databaseOf, type LiveTree } from './live-tree.ts';
import { isOfOneVersion } from './own-names.ts';
import { inNodeModules } from './tree.ts';

/** Why something in live is the app's own, and no deploy may move it. */
export type Why = 'untracked' | 'changed' | 'database' | 'flagged';

export interface Own {
  path: string;
  why: Why;
}

/** Tells what in live is the app's own from what a deploy put there. */
export interface Ownership {
  /** A file or link that is there: why it is the app's own, or null. `old` and `next` say what the versions have there. */
  ofLeaf(path: string, old: Known | undefined, next: Known | undefined): Why | null;
  /** The first thing of the app's own in a directory that is there, at any depth, or null. */
  within(directory: string, old: KnownDirectory): Own | null;
  /** Whether a generated file in live is no longer as the build left it. */
  changed(path: string, known: KnownLeaf): boolean;
}

export function ownership(live: LiveTree, flagged: ReadonlySet<string>): Ownership {
  const seen = new Map<string, Own | null>();

  const changed = (path: string, known: KnownLeaf): boolean => {
    if (known.stamp === null || live.stamp(path) === known.stamp) return false;
    return known.content === null || live.content(path) !== known.content;
  };

  const ofLeaf: Ownership['ofLeaf'] = (path, old, next) => {
    const database = (): boolean => isAppsDatabase(live, path, old, next);
    if (old?.kind !== 'leaf') return database() ? 'database' : 'untracked';
    if (flagged.has(path)) return 'flagged';
    if (database()) return 'database';
    return changed(path, old) ? 'changed' : null;
  };

  const search = (directory: string, old: KnownDirectory): Own | null => {
    // Of one entry more than is known, one must be unknown: no directory is ever read further.
    for (const [name, kind] of live.list(directory, old.entries.size + 1)) {
      const path = `${directory}/${name}`;
      const known = old.entries.get(name);
      if (kind === 'directory') {
        const own = known?.kind === 'directory' ? within(path, known) : { path, why: 'untracked' as const };
        if (own !== null) return own;
      } else {
        const why = ofLeaf(path, known, undefined);
        if (why !== null) return { path, why };
      }
    }
    return null;
  };

  const within: Ownership['within'] = (directory, old) => {
    if (isOfOneVersion(directory)) return null;
    const cached = seen.get(directory);
    if (cached !== undefined) return cached;
    const own = search(directory, old);
    seen.set(directory, own);
    return own;
  };

  return { ofLeaf, within, changed };
}

/**
 * A database is the app's whoever made it: production has written to it since. Two are not: one that git tracks in
 * both versions and that has no journal beside it (the user's own choice), and a package's in `node_modules` that
 * nobody has changed.
 */
function isAppsDatabase(
  live: LiveTree,
  path: string,
  old: Known | undefined,
  next: Known | undefined,
): boolean {
  if (!live.isDatabase(path)) return false;
  if (databaseOf(path) !== null) return true;
  if (old?.kind !== 'leaf') return true;
  const hasJournal = ['-wal', '-journal'].some((suffix) => live.kind(path + suffix) !== null);
  if (hasJournal) return true;
  if (inNodeModules(path)) return old.stamp !== null && live.stamp(path) !== old.stamp;
  return !(old.tracked !== null && next?.kind === 'leaf' && next.tracked !== null);
}
