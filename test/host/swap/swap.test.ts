import { spawn, spawnSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  linkSync,
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  checkSwap,
  isForward,
  type SwapPlaces,
  swapBackward,
  swapForward,
} from '../../../src/host/swap/swap.ts';
import type { SwapOp } from '../../../src/host/swap/swap-list.ts';
import { DeployFailure } from '../../../src/host/system/failure.ts';
import { writePlainJs } from './plain-js.ts';
import { contents, type Files, identities, plant } from './site-fixture.ts';

let root: string;
let places: SwapPlaces;
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'swap-'));
  places = { live: join(root, 'live'), staging: join(root, 'staging'), kept: join(root, 'kept') };
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Plants both trees; ops of all shapes by which of them have the path. */
function plantAll(live: Files, staging: Files, ...paths: string[]): SwapOp[] {
  plant(places.live, live);
  plant(places.staging, staging);
  plant(places.kept, {});
  const has = (files: Files, path: string): boolean =>
    Object.keys(files).some((file) => file === path || file.startsWith(`${path}/`));
  return paths.map((path) => ({ path, live: has(live, path), staging: has(staging, path) }));
}

const all = (): Record<string, string[]> => ({
  live: identities(places.live).sort(),
  staging: identities(places.staging).sort(),
  kept: identities(places.kept).sort(),
});

describe('a swap', () => {
  const old: Files = {
    'a.js': '1',
    'dist/x': '1',
    'dir/gone/y': '1',
    'dir/mine': 'own',
    thing: 'file',
    gone: '1',
  };
  const next: Files = { 'a.js': '2', 'dist/x': '2', 'dir/new/z': '2', 'thing/is/dir': '2', 'fresh/a': '2' };
  const paths = ['a.js', 'dir/gone', 'dir/new', 'dist', 'fresh', 'gone', 'thing'];

  it('puts the new version in place and the old one back, and can be repeated', () => {
    const ops = plantAll(old, { ...next, 'dir/keep': '' }, ...paths);
    const before = all();
    swapForward(places, ops);
    const after = all();
    expect(contents(places.live)).toEqual({ ...next, 'dir/mine': 'own' });
    swapForward(places, ops);
    expect(all()).toEqual(after);
    swapBackward(places, ops);
    expect(all()).toEqual(before);
    swapBackward(places, ops);
    expect(all()).toEqual(before);
    swapForward(places, ops);
    expect(contents(places.live)).toEqual({ ...next, 'dir/mine': 'own' });
  });

  it('is undone although staging was cleared away since', () => {
    const ops = plantAll(old, { ...next, 'dir/keep': '' }, ...paths);
    swapForward(places, ops);
    rmSync(places.staging, { recursive: true });
    swapBackward(places, ops);
    expect(contents(places.live)).toEqual(old);
    expect(contents(places.staging)).toEqual(next);
  });

  it('takes files that are one in live and in staging, as a package store makes them, for two', () => {
    const ops = plantAll({ a: '1', only: '1' }, { a: '1', 'b/x': '2' }, 'a', 'only');
    rmSync(join(places.staging, 'a'));
    linkSync(join(places.live, 'a'), join(places.staging, 'a'));
    const before = all();
    swapForward(places, ops);
    swapForward(places, ops);
    expect(contents(places.live)).toEqual({ a: '1' });
    expect(contents(places.kept)).toEqual({ a: '1', only: '1' });
    expect(contents(places.staging)).toEqual({ 'b/x': '2' });
    swapBackward(places, ops);
    swapBackward(places, ops);
    expect(all()).toEqual(before);
  });

  it('refuses a path that leads out of the three places, or into .git', () => {
    plantAll({}, {});
    for (const path of ['../x', '/etc/x', '.git/config', 'sub/.git', 'a//b', ''])
      expect(() => swapForward(places, [{ path, live: true, staging: false }])).toThrow(
        'can be no path of a swap',
      );
  });
});

describe('what comes up in live in the middle of a swap', () => {
  /** Writes a file of the app's as soon as its path is free, `times` times. */
  function appThatWrites(path: string, times = 1): () => void {
    let written = 0;
    return () => {
      if (written >= times || lstatSync(join(places.live, path), { throwIfNoEntry: false })) return;
      written++;
      plant(places.live, { [path]: `app ${written}` });
    };
  }

  it.each(['dist/cache/x', 'dist'])('is set aside and reported: %s', (path) => {
    const ops = plantAll({ 'dist/a': '1' }, { 'dist/a': '2' }, 'dist');
    expect(swapForward(places, ops, appThatWrites(path)).reappeared).toEqual(['dist']);
    expect(contents(places.live)).toEqual({ 'dist/a': '2' });
    expect(contents(`${places.kept}.reappeared`)).toEqual({ [path]: 'app 1' });
    expect(swapBackward(places, ops, appThatWrites(path)).reappeared).toEqual(['dist']);
    expect(contents(places.live)).toEqual({ 'dist/a': '1' });
    expect(contents(`${places.kept}.reappeared.1`)).toEqual({ [path]: 'app 1' });
  });

  it('is set aside where it is a file and a file comes', () => {
    const ops = plantAll({ a: '1' }, { a: '2' }, 'a');
    expect(swapForward(places, ops, appThatWrites('a')).reappeared).toEqual(['a']);
    expect(contents(places.live)).toEqual({ a: '2' });
    expect(swapBackward(places, ops, appThatWrites('a')).reappeared).toEqual(['a']);
    expect(contents(places.live)).toEqual({ a: '1' });
    expect(contents(`${places.kept}.reappeared`)).toEqual({ a: 'app 1' });
  });

  it('stays in live where the new version has nothing, until the old one comes back', () => {
    const ops = plantAll({ 'cache/a': '1' }, { b: '2' }, 'cache');
    expect(swapForward(places, ops, appThatWrites('cache/x')).reappeared).toEqual([]);
    expect(swapForward(places, ops).reappeared).toEqual([]);
    expect(contents(places.live)).toEqual({ 'cache/x': 'app 1' });
    expect(swapBackward(places, ops).reappeared).toEqual(['cache']);
    expect(contents(places.live)).toEqual({ 'cache/a': '1' });
    expect(contents(`${places.kept}.reappeared`)).toEqual({ 'cache/x': 'app 1' });
  });

  it('is never moved by a rollback that has nothing to bring back there', () => {
    const ops = plantAll({}, { fresh: '2' }, 'fresh');
    plant(places.live, { fresh: 'app' });
    swapBackward(places, ops);
    expect(contents(places.live)).toEqual({ fresh: 'app' });
  });

  it('is never overwritten, by whatever timing', async () => {
    const ops = plantAll(
      { 'a.txt': 'old', 'b.txt': 'old', dir: 'old' },
      { 'a.txt': 'new', 'b.txt': 'new', 'dir/x': 'new' },
      'a.txt',
      'b.txt',
      'dir',
    );
    const app = `
      const fs = require('node:fs');
      let made = 0, ended = false;
      process.on('message', () => { process.send(made); process.disconnect(); ended = true; });
      const work = () => {
        for (let n = 0; n < 2000; n++) for (const name of ['a.txt', 'b.txt', 'dir']) {
          try { fs.writeFileSync(name, 'app ' + made, { flag: 'wx' }); made++; } catch {}
        }
        if (!ended) setImmediate(work);
      };
      process.send('ready');
      work();`;
    const writer = spawn(process.execPath, ['-e', app], {
      cwd: places.live,
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
    });
    const told = (): Promise<unknown> => new Promise((resolve) => writer.once('message', resolve));
    try {
      await told();
      const asides = (): string[] => readdirSync(root).filter((name) => name.startsWith('kept.reappeared'));
      const started = performance.now();
      const lasts = (ms: number): boolean => performance.now() - started < ms;
      // On a busy machine the two may not meet for seconds.
      while (lasts(1_500) || (asides().length === 0 && lasts(40_000))) {
        swapForward(places, ops);
        swapBackward(places, ops);
      }
      const made = told();
      writer.send('end');
      const found = asides().flatMap((name) => Object.values(contents(join(root, name))));
      expect(new Set(found).size).toBe(found.length);
      expect(found.length).toBe(await made);
      expect(found.length).toBeGreaterThan(0);
      expect(contents(places.live)).toEqual({ 'a.txt': 'old', 'b.txt': 'old', dir: 'old' });
    } finally {
      writer.kill('SIGKILL');
    }
  });

  it('is given up in the end, and the old version can still be brought back', () => {
    const ops = plantAll({ a: '1' }, { a: '2' }, 'a');
    expect(() => swapForward(places, ops, appThatWrites('a', 1000))).toThrow(DeployFailure);
    swapBackward(places, ops);
    expect(contents(places.live)).toEqual({ a: '1' });
    expect(contents(places.staging)).toEqual({ a: '2' });
  });
});

describe('what goes in the middle of a swap', () => {
  it('of the finished build stops it, and what was done is undone', () => {
    const ops = plantAll({ a: '1', b: '1' }, { a: '2', b: '2' }, 'a', 'b');
    rmSync(join(places.staging, 'b'));
    expect(() => swapForward(places, ops)).toThrow('"b" has gone from the finished build');
    swapBackward(places, ops);
    expect(contents(places.live)).toEqual({ a: '1', b: '1' });
  });

  it('of live stops it too', () => {
    const ops = plantAll({ a: '1', b: '1' }, { a: '2', b: '2' }, 'a', 'b');
    rmSync(join(places.live, 'b'));
    expect(() => swapForward(places, ops)).toThrow('"b" has gone from the live directory');
    swapBackward(places, ops);
    expect(contents(places.live)).toEqual({ a: '1' });
  });

  it('of live is brought back with its parents by a rollback', () => {
    const ops = plantAll({ 'x/a': '1', 'x/own': '' }, { 'x/a': '2' }, 'x/a');
    swapForward(places, ops);
    rmSync(join(places.live, 'x'), { recursive: true });
    swapBackward(places, ops);
    expect(contents(places.live)).toEqual({ 'x/a': '1' });
  });
});

describe('the check before a swap', () => {
  it('passes what can be carried out', () => {
    const ops = plantAll({ a: '1', 'd/x': '1' }, { a: '2', b: '2' }, 'a', 'b', 'd');
    expect(() => checkSwap(places, ops)).not.toThrow();
  });

  it.each<[string, () => void]>([
    ['"a" has gone from the live directory', () => rmSync(join(places.live, 'a'))],
    ['"b" has come up in the live directory', () => plant(places.live, { b: 'app' })],
    ['"b" has changed in the finished build', () => rmSync(join(places.staging, 'b'))],
    ['"a" was replaced already', () => plant(places.kept, { a: 'x' })],
  ])('says that %s', (text, change) => {
    const ops = plantAll({ a: '1' }, { a: '2', b: '2' }, 'a', 'b');
    change();
    expect(() => checkSwap(places, ops)).toThrow(text);
    expect(readFileSync(join(places.staging, 'a'), 'utf8')).toBe('2');
  });

  it('says what the deploying user may not move', () => {
    const ops = plantAll({ 'd/x': '1' }, { 'd/x': '2' }, 'd');
    chmodSync(join(places.live, 'd'), 0o555);
    const { file, directory } = writePlainJs('src/host/swap/swap.ts');
    try {
      // Root may do anything, so that another user asks; it owns all but the directory that is to move.
      const isRoot = process.getuid?.() === 0;
      if (isRoot) {
        for (const path of [root, directory]) chmodSync(path, 0o755);
        for (const path of [places.live, places.staging, places.kept]) chownSync(path, 12345, 12345);
      }
      const asks = `require(process.argv[1]).checkSwap(...JSON.parse(process.argv[2]))`;
      const asked = spawnSync(process.execPath, ['-e', asks, file, JSON.stringify([places, ops])], {
        encoding: 'utf8',
        ...(isRoot ? { uid: 12345, gid: 12345 } : {}),
      });
      expect(asked.stderr).toContain('"d" may not be moved by the deploying user');
    } finally {
      rmSync(directory, { recursive: true });
      chmodSync(join(places.live, 'd'), 0o755);
    }
  });
});

it('is forward only as a whole, whatever was killed or begun backwards', () => {
  const ops = plantAll(
    { 'a.js': '1', 'old.js': '1' },
    { 'a.js': '2', 'new.js': '2' },
    'a.js',
    'old.js',
    'new.js',
  );
  const seen: boolean[] = [isForward(places, ops)];
  swapForward(places, ops, () => seen.push(isForward(places, ops)));
  expect(seen.slice(0, -1)).not.toContain(true);
  expect(isForward(places, ops)).toBe(true);
  seen.length = 0;
  swapBackward(places, ops, () => seen.push(isForward(places, ops)));
  expect(seen).not.toContain(true);
});
