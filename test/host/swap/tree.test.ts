import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { parentsOf, recordGenerated } from '../../../src/host/swap/tree.ts';
import { DATABASE, type Files, fingerprints, plant } from './site-fixture.ts';

let staging: string;
beforeEach(() => {
  staging = mkdtempSync(join(tmpdir(), 'tree-'));
});
afterEach(() => rmSync(staging, { recursive: true, force: true }));

const record = (tracked: Files, built: Files) => {
  plant(staging, tracked);
  plant(staging, built);
  return recordGenerated(staging, fingerprints(tracked));
};
const sha256 = (text: string): string => createHash('sha256').update(text).digest('hex');

it('records directories by names alone, and single files beside tracked ones by size, time and content', () => {
  const generated = record(
    { 'src/a.js': '1', 'run.sh': 'x', link: '-> src' },
    {
      'src/stamp.json': '{}',
      'src/latest': '-> a.js',
      'dist/b.js': '2',
      'dist/deep/c.js': '3',
      'dist/empty/': '',
      'node_modules/.bin/x': '-> ../x',
      'logs/': '',
    },
  );
  expect(generated.roots.sort()).toEqual(['dist', 'logs', 'node_modules', 'src/latest', 'src/stamp.json']);
  expect(new Map(generated.directories.map(([path, names]) => [path, names.sort()]))).toEqual(
    new Map([
      ['dist', ['b.js']],
      ['dist/deep', ['c.js']],
      ['dist/empty', []],
      ['logs', []],
      ['node_modules', []],
      ['node_modules/.bin', ['x']],
    ]),
  );
  expect(generated.singles.map(([path, size, , content]) => [path, size, content]).sort()).toEqual([
    ['src/latest', 4, 'link a.js'],
    ['src/stamp.json', 2, sha256('{}')],
  ]);
  expect(generated.singles.every(([, , time]) => /^\d{19}$/.test(time))).toBe(true);
  expect([generated.rewritten, generated.deleted]).toEqual([{}, []]);
});

it('records which tracked files the build changed or removed', () => {
  const tracked = { a: '1', b: '1', 'c.sh': '1', 'd/e': '1', link: '-> a', f: '1' };
  plant(staging, tracked);
  writeFileSync(join(staging, 'a'), '2');
  chmodSync(join(staging, 'c.sh'), 0o644);
  rmSync(join(staging, 'd'), { recursive: true });
  rmSync(join(staging, 'link'));
  rmSync(join(staging, 'f'));
  plant(staging, { link: '-> b', 'f/now/a/directory': '' });
  const generated = recordGenerated(staging, fingerprints(tracked));
  expect(generated.rewritten).toEqual({ a: sha256('2'), 'c.sh': sha256('1'), link: sha256('b') });
  expect(generated.deleted).toEqual(['d/e', 'f']);
  expect(generated.roots).toEqual(['f']);
});

it("agrees with git's own fingerprints, for both of its hashes", () => {
  for (const format of ['sha1', 'sha256']) {
    const directory = join(staging, format);
    plant(directory, { 'a b': 'ü', 'x.sh': 'x', link: '-> a b', 'd/e': '' });
    const git = (...args: string[]): string =>
      execFileSync('git', args, { cwd: directory, encoding: 'utf8' });
    git('init', '--quiet', `--object-format=${format}`);
    git('add', '.');
    const tree = git('write-tree').trim();
    const tracked = new Map(
      git('ls-tree', '-r', '-z', tree)
        .split('\0')
        .filter(Boolean)
        .map((line) => [line.split('\t')[1] ?? '', line.replace(/^(\d+) blob (\w+)\t.*$/s, '$1 $2')]),
    );
    expect(tracked.size).toBe(4);
    expect(recordGenerated(directory, tracked)).toEqual({
      roots: [],
      directories: [],
      singles: [],
      rewritten: {},
      deleted: [],
      assets: [],
    });
  }
});

it('sees nothing of a .git, wherever it lies', () => {
  const generated = record(
    { 'a/b': '1' },
    { '.git/x': '', 'a/.git': '', 'dist/.git/config': '', 'dist/y': '' },
  );
  expect(generated.directories).toEqual([['dist', ['y']]]);
  expect(generated.singles).toEqual([]);
});

it('watches what could be a database in node_modules, and nothing else there', () => {
  const { singles } = record(
    { a: '1' },
    { 'node_modules/geo/geo.db': DATABASE, 'node_modules/geo/x.js': 'x' },
  );
  expect(singles.map(([path]) => path)).toEqual(['node_modules/geo/geo.db']);
});

it('names every parent of a path once', () => {
  expect([...parentsOf(['a/b/c', 'a/b/d', 'x', 'a/e/f'])].sort()).toEqual(['', 'a', 'a/b', 'a/e']);
});
