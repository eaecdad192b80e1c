import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** Where frameworks put the files that pages ask for by a hashed name, relative to the app's `package.json`. */
const FRAMEWORKS: readonly { packages: readonly string[]; assets: readonly string[] }[] = [
  { packages: ['next'], assets: ['.next/static', '.next/standalone/**/.next/static', 'out/_next/static'] },
  { packages: ['nuxt'], assets: ['.output/public/_nuxt'] },
  { packages: ['@remix-run/dev', '@react-router/dev'], assets: ['build/client/assets', 'public/build'] },
  { packages: ['@sveltejs/kit'], assets: ['build/client/_app/immutable', 'build/_app/immutable'] },
  { packages: ['vite'], assets: ['dist/assets'] },
];

/** Globs of the hashed files of each app among the `tracked` files of the version at `top`, by its dependencies. */
export function frameworkAssets(top: string, tracked: Iterable<string>): string[] {
  const globs: string[] = [];
  for (const path of tracked) {
    if (posix.basename(path) !== 'package.json') continue;
    const has = dependenciesOf(`${top}/${path}`);
    const known = FRAMEWORKS.filter(({ packages }) => packages.some((name) => has.has(name)));
    for (const { assets } of known)
      globs.push(...assets.map((glob) => posix.join(posix.dirname(path), glob)));
  }
  return globs;
}

/** None if it cannot be read: then nobody could have built it either. */
function dependenciesOf(manifest: string): ReadonlySet<string> {
  try {
    const { dependencies, devDependencies } = JSON.parse(readFileSync(manifest, 'utf8'));
    return new Set(Object.keys({ ...dependencies, ...devDependencies }));
  } catch {
    return new Set();
  }
}
