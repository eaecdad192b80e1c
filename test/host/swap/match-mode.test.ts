import { spawnSync } from 'node:child_process';
import { chmodSync, lchownSync, linkSync, lstatSync, mkdtempSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { matchOwnership } from '../../../src/host/swap/match-mode.ts';
import { type SwapPlaces, swapForward } from '../../../src/host/swap/swap.ts';
import { writePlainJs } from './plain-js.ts';
import { plant } from './site-fixture.ts';

let root: string;
let places: SwapPlaces;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'own-'));
  places = { live: join(root, 'live'), staging: join(root, 'staging'), kept: join(root, 'kept') };
  plant(places.kept, {});
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

const inStaging = (path: string): string => join(places.staging, path);
const inLive = (path: string): string => join(places.live, path);
const mode = (file: string): string => (lstatSync(file).mode & 0o7777).toString(8);
const both = (path: string) => ({ path, live: true, staging: true });
const added = (path: string) => ({ path, live: false, staging: true });

describe('modes', () => {
  it("are those of what is replaced, but being executable is the new version's to say", () => {
    plant(places.live, { a: '1', 'b.sh': '1', 'c.sh': '1', 'd/x': '1' });
    plant(places.staging, { a: '2', 'b.sh': '2', 'c.sh': '2', 'd/x': '2' });
    chmodSync(inLive('a'), 0o640);
    chmodSync(inStaging('a'), 0o755);
    chmodSync(inLive('b.sh'), 0o755);
    chmodSync(inStaging('b.sh'), 0o600);
    chmodSync(inLive('d'), 0o2770);
    chmodSync(inLive('d/x'), 0o600);
    matchOwnership(places, ['a', 'b.sh', 'c.sh', 'd'].map(both));
    expect(['a', 'b.sh', 'c.sh', 'd', 'd/x'].map((path) => mode(inStaging(path)))).toEqual([
      '750',
      '644',
      '755',
      '2770',
      '600',
    ]);
  });

  it('stay where nothing comparable is replaced', () => {
    plant(places.live, { thing: 'file' });
    plant(places.staging, { 'thing/x.sh': '2', fresh: '2' });
    chmodSync(inLive('thing'), 0o600);
    matchOwnership(places, [both('thing'), added('fresh')]);
    expect(['thing', 'thing/x.sh', 'fresh'].map((path) => mode(inStaging(path)))).toEqual([
      '755',
      '755',
      '644',
    ]);
  });

  it("of a file with several names stay: they are a package store's too", () => {
    plant(places.live, { 'd/x': '1' });
    plant(places.staging, { 'd/x': '2' });
    linkSync(inStaging('d/x'), join(root, 'store'));
    chmodSync(inLive('d/x'), 0o600);
    matchOwnership(places, [both('d')]);
    expect(mode(join(root, 'store'))).toBe('644');
  });
});

/** Root can give things to anyone; another user has only itself and its groups, and then these say less. */
const isRoot = process.geteuid?.() === 0;
const groups = process.getgroups?.() ?? [0];
const uid = (wanted: number): number => (isRoot ? wanted : (process.geteuid?.() ?? 0));
const gid = (wanted: number): number => (isRoot ? wanted : (groups[wanted % groups.length] ?? 0));

describe('groups and owners', () => {
  const owner = (file: string): string => {
    const { uid, gid } = lstatSync(file);
    return `${uid}:${gid}`;
  };
  const pair = (user: number, group: number): string => `${uid(user)}:${gid(group)}`;
  const give = (file: string, user: number, group: number): void => lchownSync(file, uid(user), gid(group));

  it('keep a setgid group all through a directory that is replaced, so that the web server can read it', () => {
    plant(places.live, { 'public/index.html': '1', 'public/img/a.png': '1' });
    plant(places.staging, {
      'public/index.html': '2',
      'public/new/deep/b.png': '2',
      'public/link': '-> index.html',
    });
    for (const path of ['public', 'public/img', 'public/index.html', 'public/img/a.png'])
      give(inLive(path), 0, 33);
    for (const path of ['public', 'public/img']) chmodSync(inLive(path), 0o2750);
    matchOwnership(places, [both('public')]);
    swapForward(places, [both('public')]);
    for (const path of [
      'public',
      'public/new',
      'public/new/deep',
      'public/new/deep/b.png',
      'public/index.html',
      'public/link',
    ])
      expect(owner(inLive(path)), path).toBe(pair(0, 33));
    expect(['public', 'public/new', 'public/new/deep'].map((path) => mode(inLive(path)))).toEqual([
      '2750',
      '2755',
      '2755',
    ]);
  });

  it('come from the directory around where nothing is replaced', () => {
    plant(places.live, { 'site/a': '1' });
    plant(places.staging, { 'site/new/b': '2', top: '2' });
    give(inLive('site'), 12345, 33);
    chmodSync(inLive('site'), 0o2755);
    give(places.live, 12345, 12346);
    matchOwnership(places, [added('site/new'), added('top')]);
    expect(['site/new', 'site/new/b', 'top'].map((path) => owner(inStaging(path)))).toEqual([
      pair(12345, 33),
      pair(12345, 33),
      pair(12345, 12346),
    ]);
    expect(mode(inStaging('site/new'))).toBe('2755');
  });

  it('are those of each file that is replaced, links included', () => {
    plant(places.live, { 'd/a': '1', 'd/l': '-> a', 'd/sub/x': '1' });
    plant(places.staging, { 'd/a': '2', 'd/l': '-> b', 'd/sub/x': '2' });
    give(inLive('d/a'), 1, 2);
    give(inLive('d/l'), 3, 4);
    give(inLive('d/sub/x'), 5, 6);
    matchOwnership(places, [both('d')]);
    expect(['d', 'd/a', 'd/l', 'd/sub', 'd/sub/x'].map((path) => owner(inStaging(path)))).toEqual([
      pair(0, 0),
      pair(1, 2),
      pair(3, 4),
      pair(0, 0),
      pair(5, 6),
    ]);
  });

  it("are given as far as a user without root's rights may, and the rest is named", () => {
    plant(places.live, { 'd/a': '1', 'e/a': '1' });
    plant(places.staging, { 'd/a': '2', 'e/a': '2' });
    for (const path of ['', 'd', 'd/a', 'e', 'e/a']) give(inStaging(path), 12345, 12345);
    for (const path of ['d', 'd/a']) give(inLive(path), 777, 12346);
    for (const path of ['e', 'e/a']) give(inLive(path), 0, 0);
    const { file, directory } = writePlainJs('src/host/swap/match-mode.ts');
    try {
      for (const path of [root, directory]) chmodSync(path, 0o755);
      const become = 'process.setgroups([12345, 12346]); process.setgid(12345); process.setuid(12345);';
      const program = `${isRoot ? become : ''}
        console.log(JSON.stringify(require(process.argv[1]).matchOwnership(...JSON.parse(process.argv[2]))))`;
      const input = JSON.stringify([places, [both('d'), both('e')]]);
      const child = spawnSync(process.execPath, ['-e', program, file, input], { encoding: 'utf8' });
      expect(child.stderr).toBe('');
      expect(JSON.parse(child.stdout)).toEqual(isRoot ? ['e', 'e/a'] : []);
      expect(['d', 'd/a', 'e'].map((path) => owner(inStaging(path)))).toEqual([
        pair(12345, 12346),
        pair(12345, 12346),
        pair(12345, 12345),
      ]);
    } finally {
      rmSync(directory, { recursive: true });
    }
  });
});

it('touches nothing that is as it should be', () => {
  plant(places.live, { 'd/a': '1', 'node_modules/x/a': '1', b: '1' });
  plant(places.staging, { 'd/a': '2', 'node_modules/x/a': '2', b: '2' });
  const before = ['d', 'd/a', 'node_modules', 'b'].map((path) => statSync(inStaging(path)).ctimeMs);
  expect(matchOwnership(places, ['d', 'node_modules', 'b'].map(both))).toEqual([]);
  expect(['d', 'd/a', 'node_modules', 'b'].map((path) => statSync(inStaging(path)).ctimeMs)).toEqual(before);
});
