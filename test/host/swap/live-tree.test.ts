import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { type LiveTree, readTree } from '../../../src/host/swap/live-tree.ts';
import { DATABASE, plant } from './site-fixture.ts';

let root: string;
let tree: LiveTree;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'live-'));
  tree = readTree(join(root, 'live'), join(root, 'staging'));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));
const live = (files: Parameters<typeof plant>[1]): void => plant(join(root, 'live'), files);
const staging = (files: Parameters<typeof plant>[1]): void => plant(join(root, 'staging'), files);

it('tells what is there, and follows no link', () => {
  live({ 'd/f': '', link: '-> d', dangling: '-> nowhere' });
  const paths = ['d', 'd/f', 'link', 'dangling', 'd/none', 'd/f/below', 'none/below'];
  expect(paths.map(tree.kind)).toEqual(['directory', 'leaf', 'leaf', 'leaf', null, null, null]);
});

it('reads a directory of any size only as far as it is asked to', () => {
  live({ 'small/a': '', 'small/b/c': '', 'large/': '' });
  expect(new Map(tree.list('small', 10))).toEqual(
    new Map([
      ['a', 'leaf'],
      ['b', 'directory'],
    ]),
  );
  expect(tree.list('small', 1)).toHaveLength(1);
  // Names as long as can be make a directory itself large with few files.
  for (let n = 0; n < 6000; n++) writeFileSync(join(root, 'live/large', `${n}-${'x'.repeat(240)}`), '');
  expect(tree.list('large', 2)).toHaveLength(2);
  expect(tree.list('large', Number.POSITIVE_INFINITY)).toHaveLength(6000);
});

it('knows a database by its first bytes, and its companions by its name', () => {
  live({
    'a.db': DATABASE,
    'a.db-wal': 'w',
    'a.db-shm': 's',
    'b.db': 'text that is long enough',
    'b.db-wal': 'w',
    c: DATABASE,
  });
  live({ 'd.js': DATABASE, empty: '', link: '-> a.db', 'dir/': '' });
  const paths = [
    'a.db',
    'a.db-wal',
    'a.db-shm',
    'c',
    'b.db',
    'b.db-wal',
    'd.js',
    'empty',
    'link',
    'dir',
    'none',
  ];
  expect(paths.filter(tree.isDatabase)).toEqual(['a.db', 'a.db-wal', 'a.db-shm', 'c']);
});

it('does not wait for a pipe', () => {
  mkdirSync(join(root, 'live'));
  execFileSync('mkfifo', [join(root, 'live/pipe')]);
  expect(tree.isDatabase('pipe')).toBe(false);
  expect(tree.content('pipe')).toBe(null);
  expect(tree.sameAsStaging('pipe')).toBe(false);
});

it('compares with staging by type, by being executable and by every byte', () => {
  const large = Buffer.alloc(3 * 1024 * 1024, 1);
  const other = Buffer.from(large);
  other[other.length - 1] = 2;
  live({ same: 'x', mode: 'x', link: '-> a', kind: 'x', large, last: large, length: 'x', elsewhere: '-> a' });
  staging({
    same: 'x',
    mode: 'x',
    link: '-> a',
    kind: '-> x',
    large,
    last: other,
    length: 'xx',
    elsewhere: '-> b',
  });
  chmodSync(join(root, 'staging/mode'), 0o755);
  const paths = ['same', 'mode', 'link', 'kind', 'large', 'last', 'length', 'elsewhere', 'none'];
  expect(paths.filter(tree.sameAsStaging)).toEqual(['same', 'link', 'large']);
});
