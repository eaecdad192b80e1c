import { chmodSync, readFileSync, statSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { carryAssets } from '../../../src/host/build/keep-assets.ts';
import { contents, createSite, plant, type Site, type Version } from '../swap/site-fixture.ts';

const DAY = 24 * 3_600_000;
const KEEP = { globs: ['dist/assets'] };

let site: Site;
beforeEach(() => {
  site = createSite();
});
afterEach(() => site.remove());

/** A version whose build makes one page, and an asset by a name that no other version has. */
const version = (name: string, assets: Record<string, string> = {}): Version => ({
  tracked: { 'package.json': name },
  built: { 'dist/index.html': name, [`dist/assets/app-${name}.js`]: `asset of ${name}`, ...assets },
});
const assetsIn = (root: string): string[] =>
  Object.keys(contents(root))
    .filter((path) => path.startsWith('dist/assets/'))
    .map((path) => path.slice('dist/assets/'.length));

test('assets of three replaced versions stay beside the new ones, with their time; nothing else does', async () => {
  const past = new Date('2026-01-02T03:04:05Z');
  await site.deploy(version('1', { 'dist/old.html': '1' }));
  utimesSync(join(site.live, 'dist/assets/app-1.js'), past, past);
  for (const name of ['2', '3', '4']) await site.deploy(version(name), { keep: KEEP });
  expect(assetsIn(site.live)).toEqual(['app-1.js', 'app-2.js', 'app-3.js', 'app-4.js']);
  expect(readFileSync(join(site.live, 'dist/assets/app-1.js'), 'utf8')).toBe('asset of 1');
  expect(statSync(join(site.live, 'dist/assets/app-1.js')).mtime).toEqual(past);
  expect(Object.keys(contents(site.live))).not.toContain('dist/old.html');
  await site.deploy(version('5'), { keep: KEEP });
  expect(assetsIn(site.live)).toEqual(['app-2.js', 'app-3.js', 'app-4.js', 'app-5.js']);
  expect(site.record().assets.map(({ sha }) => sha)).toEqual(['version 4', 'version 3', 'version 2']);
});

test('assets go seven days after their version was replaced', async () => {
  const now = Date.now();
  const at = (days: number) => ({ keep: { ...KEEP, now: now + days * DAY } });
  await site.deploy(version('1'));
  await site.deploy(version('2'), at(0));
  await site.deploy(version('3'), at(6.9));
  expect(assetsIn(site.live)).toEqual(['app-1.js', 'app-2.js', 'app-3.js']);
  await site.deploy(version('4'), at(7));
  expect(assetsIn(site.live)).toEqual(['app-2.js', 'app-3.js', 'app-4.js']);
});

test('a version that changes no asset takes no place of the three', async () => {
  await site.deploy(version('1'));
  await site.deploy(version('2'), { keep: KEEP });
  for (let n = 0; n < 4; n++) await site.deploy(version('2'), { keep: KEEP });
  expect(assetsIn(site.live)).toEqual(['app-1.js', 'app-2.js']);
});

test('a rollback brings back the old tree as it was, from wherever the swap has come', async () => {
  await site.deploy(version('1'));
  await site.deploy(version('2'), { keep: KEEP });
  const before = contents(site.live);
  const list = await site.stage(version('3'), { keep: KEEP });
  const half = list.ops.slice(0, 1);
  site.forward({ ...list, ops: half });
  site.backward(list);
  expect(contents(site.live)).toEqual(before);
  site.forward(list);
  // What writes to a live asset does not reach the old version.
  writeFileSync(join(site.live, 'dist/assets/app-1.js'), 'overwritten');
  site.backward(list);
  expect(contents(site.live)).toEqual(before);
});

test('what no deploy put there is left alone, also where a glob names it', async () => {
  await site.deploy(version('1'));
  plant(site.live, { 'dist/assets/upload.png': 'a user sent it', 'uploads/big.iso': 'own' });
  const list = await site.stage(version('2'), { keep: { globs: ['dist/assets', 'uploads'] } });
  expect(list.collisions).toEqual([]);
  expect(assetsIn(site.places().staging)).toEqual(['app-1.js', 'app-2.js']);
  site.forward(list);
  expect(contents(site.live)['dist/assets/upload.png']).toBe('a user sent it');
});

test('a checkout that was built by hand keeps its assets in the first deploy', async () => {
  await site.deploy(version('1'));
  const list = await site.stage(version('2'), { keep: KEEP, hand: true, ignored: (paths) => new Set(paths) });
  expect(list.collisions).toEqual([]);
  site.forward(list);
  expect(assetsIn(site.live)).toEqual(['app-1.js', 'app-2.js']);
});

test('the new version wins where it has something else, and no link leads out of it', async () => {
  const both = { 'dist/assets/same.js': 'old', 'dist/assets/sub/x.js': 'old', 'dist/assets/out/y.js': 'old' };
  await site.deploy(version('1', both));
  const elsewhere = join(site.live, '../elsewhere');
  plant(elsewhere, { 'a.txt': 'not ours' });
  await site.stage(
    version('2', {
      'dist/assets/same.js': 'new',
      'dist/assets/sub': 'a file now',
      'dist/assets/out': `-> ${elsewhere}`,
    }),
    { keep: KEEP },
  );
  const { staging } = site.places();
  expect(readFileSync(join(staging, 'dist/assets/same.js'), 'utf8')).toBe('new');
  expect(readFileSync(join(staging, 'dist/assets/sub'), 'utf8')).toBe('a file now');
  expect(contents(elsewhere)).toEqual({ 'a.txt': 'not ours' });
});

test('an asset that this user may not read is named, and stays behind', async () => {
  await site.deploy(version('1'));
  const { live } = site;
  const staging = join(live, '../staging');
  plant(staging, {});
  for (const directory of [join(live, '..'), staging]) chmodSync(directory, 0o777);
  chmodSync(join(live, 'dist/assets/app-1.js'), 0o000);
  const carry = () =>
    carryAssets({ live, staging, ...KEEP, known: null, sha: 'a', earlier: [], now: Date.now() });
  expect(asAnyUser(carry)).toEqual({ kept: [], unreadable: ['dist/assets/app-1.js'] });
});

/** Root may read all. */
function asAnyUser<T>(work: () => T): T {
  const isRoot = process.geteuid?.() === 0;
  if (isRoot) process.seteuid?.(65_534);
  try {
    return work();
  } finally {
    if (isRoot) process.seteuid?.(0);
  }
}
