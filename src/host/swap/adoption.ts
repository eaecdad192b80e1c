import { GENERATED, type Known, type KnownDirectory } from './known-tree.ts';
import type { LiveTree } from './live-tree.ts';
import { isNamedLikeOwn } from './own-names.ts';
import { type Fingerprints, inNodeModules, parentsOf } from './tree.ts';

/**
 * What builds are known to make, for a checkout that was deployed by hand before: no record says what its builds made.
 * Only what git ignores in live is taken as such, so that a directory of the app's own by one of these names is not.
 */
const BUILD_OUTPUTS: readonly { names: readonly string[]; of: string }[] = [
  { names: ['node_modules'], of: 'npm, pnpm, yarn and bun: made anew by every install' },
  { names: ['dist', 'build', 'out'], of: 'tsc, bundlers and most frameworks' },
  { names: ['.next', '.nuxt', '.output', '.svelte-kit', '.astro', '.angular'], of: 'one framework each' },
  { names: ['.turbo', '.cache', '.parcel-cache', '.vite', '.nx'], of: 'caches of build tools' },
  { names: ['coverage', '.nyc_output', 'storybook-static'], of: 'test and documentation runs' },
  {
    names: ['next-env.d.ts', 'tsconfig.tsbuildinfo', '.eslintcache'],
    of: 'single files of Next, tsc, ESLint',
  },
];
const NAMES = BUILD_OUTPUTS.flatMap(({ names }) => names);

/** Paths in live beside tracked things that are named like a build's output. */
export function adoptionCandidates(live: LiveTree, tracked: Fingerprints): string[] {
  const directories = parentsOf(tracked.keys());
  const candidates: string[] = [];
  for (const directory of directories) {
    for (const name of NAMES) {
      const path = directory === '' ? name : `${directory}/${name}`;
      if (directories.has(path) || tracked.has(path)) continue;
      if (live.kind(path) !== null) candidates.push(path);
    }
  }
  return candidates;
}

/**
 * What a deploy by hand left in a directory, as if a build of ours had recorded it; or the path of a database that is in
 * there, and then nothing of it can be taken as built. `next` is what the new version has in its place.
 */
export function adopt(
  live: LiveTree,
  path: string,
  next: Known | undefined,
  careful = false,
): KnownDirectory | { database: string } {
  const coming = next?.kind === 'directory' ? next.entries : new Map<string, Known>();
  const entries = new Map<string, Known>();
  for (const [name, kind] of live.list(path, Number.POSITIVE_INFINITY)) {
    const inside = `${path}/${name}`;
    // Of what the app may have written, only what the new build makes too is taken as built.
    const doubtful = careful || (isNamedLikeOwn(name) && !inNodeModules(inside));
    if (name === '.git' || (doubtful && coming.get(name)?.kind !== kind)) continue;
    if (kind === 'leaf') {
      if (!inNodeModules(inside) && live.isDatabase(inside)) return { database: inside };
      entries.set(name, GENERATED);
      continue;
    }
    const below = adopt(live, inside, coming.get(name), doubtful);
    if ('database' in below) return below;
    entries.set(name, below);
  }
  return { kind: 'directory', tracked: false, entries };
}
