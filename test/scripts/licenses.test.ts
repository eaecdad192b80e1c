import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { completed, hasText, packagesOf } from '../../scripts/licenses.mjs';
import { ROOT } from '../rig/places.ts';

const read = (file: string): string => readFileSync(path.join(ROOT, file), 'utf8');

/** Packages that only build a native add-on, which is not shipped, or have types alone. */
const BUILD_ONLY = ['buildcheck', 'nan', '@octokit/openapi-types', '@octokit/types'];

/** Packages that the action's sources import, and all that those depend on, where npm has put them. */
function shipped(): string[] {
  const sources = readdirSync(path.join(ROOT, 'src'), { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.ts'))
    .map((name) => read(`src/${name}`));
  const { dependencies } = JSON.parse(read('package.json')) as { dependencies: Record<string, string> };
  const found = Object.keys(dependencies).filter((name) =>
    sources.some((source) => new RegExp(`(?:from |import\\(.*)'${name}'`).test(source)),
  );
  for (const name of found) {
    const manifest = `node_modules/${name}/package.json`;
    if (!existsSync(path.join(ROOT, manifest))) continue;
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(read(manifest)) as {
      [field: string]: Record<string, string>;
    };
    for (const next of Object.keys({ ...dependencies, ...optionalDependencies }))
      if (!found.includes(next) && !BUILD_ONLY.includes(next)) found.push(next);
  }
  return found.sort();
}

test('every package in dist is in dist/licenses.txt, with the words of its license', () => {
  const licenses = read('dist/licenses.txt');
  const packages = shipped();
  expect(packages).toEqual(
    expect.arrayContaining(['@actions/core', 'shell-escape', 'ssh2', 'tweetnacl', 'undici']),
  );
  expect(packages.filter((name) => !hasText(licenses, name))).toEqual([]);
  expect(licenses).toContain('undici contains llhttp');
});

test('a package that the sources do not import is neither bundled nor named', () => {
  if (shipped().includes('@actions/github')) return;
  expect(read('dist/licenses.txt')).not.toMatch(/@actions\/github|@octokit/);
  for (const program of ['dist/index.js', 'dist/post.js'])
    expect(read(program)).not.toMatch(/node_modules\/(?:@actions\/github|@octokit)/);
});

const GATHERED = 'a\nMIT\nwords of a\n\n\n@s/b\nISC\n\n\nc\nMIT\nwords of c';

test('a build fails if a package has no license, or only the name of one, and takes the text that we have', () => {
  expect(completed(GATHERED, ['a', 'c'], {})).toBe(GATHERED);
  expect(() => completed(GATHERED, ['a', '@s/b', 'd'], {})).toThrow('No text of a license for @s/b, d.');
  const whole = completed(GATHERED, ['a', '@s/b', 'c'], { '@s/b': 'words of b' });
  expect(whole).toContain('\n@s/b\nISC\nwords of b\n');
  expect(() => completed(GATHERED, ['s/b'], { 's/b': 'words' })).toThrow('s/b');
});

test('the packages of a bundle are read from the files of its modules', () => {
  const files = ['/x/lib/main.js', '/x/node_modules/a/i.js', '/x/node_modules/a/node_modules/@s/b/lib/i.js'];
  expect(packagesOf(files)).toEqual(['@s/b', 'a']);
});
