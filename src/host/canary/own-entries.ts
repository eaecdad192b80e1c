import { mkdirSync, readdirSync, symlinkSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { KnownDirectory } from '../swap/known-tree.ts';
import { readTree } from '../swap/live-tree.ts';
import { renameIfFree } from '../swap/rename.ts';
import { exists } from '../system/paths.ts';

/** A staged version while it is tried: what surrounds it. */
export interface Aside {
  /** All that the version has. */
  version: KnownDirectory;
  /** The directory that has the app's own entries, and gets those that the version makes. */
  ownHome: string;
  /** Shows the version all of the app's own entries. */
  showOwn(): void;
}

/**
 * Shows staging the app's own entries of live, which no deploy put there (`.env`, `uploads/`, a database): each as a link,
 * wherever staging has nothing. A canary then sees what the live app sees, and what it writes there is not lost.
 */
export function linkOwn(own: readonly string[], live: string, staging: string): void {
  for (const path of own) {
    const link = join(staging, path);
    if (exists(link)) continue;
    mkdirSync(dirname(link), { recursive: true });
    symlinkSync(join(live, path), link);
  }
}

/**
 * Moves databases that a command made in staging to their place in live, as the first migration of an app with SQLite makes
 * one: the app will look for it there. `left` are those whose place in live is taken. Both with `-wal` and the like.
 */
export function bringDatabases(
  staging: string,
  live: string,
  version: KnownDirectory,
): { brought: string[]; left: string[] } {
  const tree = readTree(staging, staging);
  const made: string[] = [];
  const visit = (directory: string, known: KnownDirectory | null): void => {
    for (const entry of readdirSync(join(staging, directory), { withFileTypes: true })) {
      if (entry.name === '.git' || entry.name === 'node_modules') continue;
      const path = join(directory, entry.name);
      const there = known?.entries.get(entry.name);
      if (entry.isDirectory()) visit(path, there?.kind === 'directory' ? there : null);
      else if (there === undefined && tree.isDatabase(path)) made.push(path);
    }
  };
  visit('', version);
  // All are found before the first is moved: `-wal` is told by the database beside it.
  const brought = made.filter((path) => {
    mkdirSync(dirname(join(live, path)), { recursive: true });
    return renameIfFree(join(staging, path), join(live, path), () => {});
  });
  return { brought, left: made.filter((path) => !brought.includes(path)) };
}
