import { readFileSync } from 'node:fs';
import { posix } from 'node:path';

/** What a framework's build leaves for its next one. */
export interface BuildCache {
  directory: string;
  /** Names in it that are no part of that: data that pages show, and what the app makes while it runs. */
  data: readonly string[];
}

interface Framework {
  packages: readonly string[];
  /** Globs of the files that pages ask for by a hashed name. */
  assets: readonly string[];
  cache?: BuildCache;
}

/** All paths are relative to the app's `package.json`. */
const FRAMEWORKS: readonly Framework[] = [
  {
    packages: ['next'],
    assets: ['.next/static', '.next/standalone/**/.next/static', 'out/_next/static'],
    cache: { directory: '.next/cache', data: ['fetch-cache', 'images'] },
  },
  { packages: ['nuxt'], assets: ['.output/public/_nuxt'] },
  { packages: ['@remix-run/dev', '@react-router/dev'], assets: ['build/client/assets', 'public/build'] },
  { packages: ['@sveltejs/kit'], assets: ['build/client/_app/immutable', 'build/_app/immutable'] },
  { packages: ['vite'], assets: ['dist/assets'] },
];

/** Globs of the hashed files of each app among the `tracked` files of the version at `top`, by its dependencies. */
export function frameworkAssets(top: string, tracked: Iterable<string>): string[] {
  return frameworksIn(top, tracked).flatMap(({ app, assets }) => assets.map((glob) => posix.join(app, glob)));
}

/** The build cache of each app among the `tracked` files of the version at `top`; relative to `top`. */
export function frameworkCaches(top: string, tracked: Iterable<string>): BuildCache[] {
  return frameworksIn(top, tracked).flatMap(({ app, cache }) =>
    cache === undefined ? [] : { ...cache, directory: posix.join(app, cache.directory) },
  );
}

/** Each with the directory of its app. */
function frameworksIn(top: string, tracked: Iterable<string>): (Framework & { app: string })[] {
  return [...tracked]
    .filter((path) => posix.basename(path) === 'package.json')
    .flatMap((path) => {
      const has = dependenciesOf(`${top}/${path}`);
      const known = FRAMEWORKS.filter(({ packages }) => packages.some((name) => has.has(name)));
      return known.map((framework) => ({ ...framework, app: posix.dirname(path) }));
    });
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
