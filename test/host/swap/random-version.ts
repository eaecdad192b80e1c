import { pick, type Random } from '../../rig/random.ts';
import type { Files, Version } from './site-fixture.ts';

export const isWithin = (path: string, other: string): boolean => path.startsWith(`${other}/`);

/** Adds files at random paths that none of `taken` is, is within, or holds; one in `odd` has the name of a directory. */
export function scatter(
  rand: Random,
  count: number,
  names: readonly string[],
  odd: number,
  taken: Files,
): Files {
  const files: Files = {};
  for (let n = 0; n < count; n++) {
    const parts: string[] = [];
    while (rand(4) > 0 && parts.length < 4) parts.push(pick(rand, parts.length === 0 ? ROOTS : FOLDERS));
    const path = [...parts, pick(rand, rand(odd) > 0 ? names : [...ROOTS, ...FOLDERS])].join('/');
    const others = [...Object.keys(taken), ...Object.keys(files)];
    if (others.some((other) => other === path || isWithin(path, other) || isWithin(other, path))) continue;
    files[path] = rand(8) === 0 ? `-> ${rand(2)}` : `${rand(2)}`;
  }
  return files;
}

const ROOTS = ['a', 'b', 'dist', 'node_modules'];
const FOLDERS = ['p', 'q', 'node_modules', 'r s'];
export const FILES = ['f', 'g.js', 'h'];

/** A commit and its build, of a few files at random paths, so that two of them have some in common. */
export function randomVersion(rand: Random): Version {
  const tracked = scatter(rand, 14, FILES, 20, {});
  return { tracked, built: scatter(rand, 14, FILES, 20, tracked) };
}
