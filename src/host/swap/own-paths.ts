import type { Ownership } from './apps-own.ts';
import type { KnownDirectory } from './known-tree.ts';
import type { LiveTree } from './live-tree.ts';

/**
 * The topmost paths of live that are the app's own: no version put them there, or the app has written to them since.
 * `exchanged` are the paths of the swap list, in which nothing is the app's own; `old` is what the live version has.
 */
export function ownPaths(
  live: LiveTree,
  own: Ownership,
  old: KnownDirectory,
  exchanged: ReadonlySet<string>,
): string[] {
  const found: string[] = [];
  const visit = (directory: string, known: KnownDirectory): void => {
    for (const [name, kind] of live.list(directory, Number.POSITIVE_INFINITY)) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const there = known.entries.get(name);
      if (name === '.git' || exchanged.has(path)) continue;
      if (there?.kind === 'directory' && kind === 'directory') visit(path, there);
      else if (kind === 'directory' || own.ofLeaf(path, there, undefined) !== null) found.push(path);
    }
  };
  visit('', old);
  return found;
}
