import { mkdtempSync, readFileSync, readlinkSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import { at, knownTree } from '../../../src/host/swap/known-tree.ts';
import { linkLasting, madeByApp, moveToShared, setLink } from '../../../src/host/swap/lasting-entries.ts';
import { removeUnknown } from '../../../src/host/swap/remove-unknown.ts';
import { recordGenerated } from '../../../src/host/swap/tree.ts';
import { contents, type Files, fingerprints, plant } from './site-fixture.ts';

let top: string;
const old = (): string => join(top, 'releases/1');
const release = (): string => join(top, 'releases/2');
const shared = (): string => join(top, 'shared');
beforeEach(() => {
  top = realpathSync(mkdtempSync(join(tmpdir(), 'lasting-')));
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

/** A version as a build left it. */
function built(directory: string, tracked: Files, made: Files = {}) {
  plant(directory, { ...tracked, ...made });
  const known = fingerprints(tracked);
  return knownTree(known, recordGenerated(directory, known), 'absent');
}
function link(tracked: Files, given: string[] = []) {
  const linked = {
    release: release(),
    version: built(release(), tracked),
    given: new Set(given),
    links: new Set<string>(),
  };
  return {
    linked,
    all: (...names: string[]) => names.flatMap((name) => linkLasting(linked, name, join(shared(), name))),
  };
}

describe('linkLasting', () => {
  test('links the topmost path that the version lacks, and a canary does not take the links away', () => {
    plant(shared(), { 'uploads/a.png': 'a', 'apps/web/.env': 'KEY=1', 'conf/deep/x.json': '{}' });
    const { linked, all } = link({ 'server.js': '1', 'apps/web/index.js': '1' });
    expect(all('uploads', 'apps', 'conf')).toEqual([]);
    expect(readlinkSync(join(release(), 'uploads'))).toBe('../../shared/uploads');
    expect(readlinkSync(join(release(), 'apps/web/.env'))).toBe('../../../../shared/apps/web/.env');
    const before = contents(release());
    expect(all('uploads', 'apps', 'conf')).toEqual([]);
    plant(release(), { 'left/by/canary': '' });
    removeUnknown(release(), linked.version);
    expect(contents(release())).toEqual(before);
  });

  test('names what the version has itself, and leaves both as they are', () => {
    plant(shared(), { 'config.json': 'own', 'data/x': 'own', '.env': 'old' });
    const { all } = link({ 'config.json': 'tracked', data: 'a file' }, ['.env']);
    plant(release(), { '.env': 'given' });
    expect(all('config.json', 'data', '.env')).toEqual(['config.json', 'data']);
    expect(contents(release())).toEqual({ 'config.json': 'tracked', data: 'a file', '.env': 'given' });
  });

  test('a link that the commit has is not taken for one of ours', () => {
    plant(shared(), { 'uploads/a.png': 'a' });
    const { all, linked } = link({ uploads: '-> /mnt/uploads' });
    expect(all('uploads')).toEqual(['uploads']);
    expect(at(linked.version, 'uploads')).toMatchObject({ kind: 'leaf' });
  });
});

describe('moveToShared', () => {
  class Killed extends Error {}

  test.each(['uploads', '.env', 'deep/in/it.json'])(
    '%s: killed after any step, the next run ends it',
    (path) => {
      for (let steps = 0; ; steps++) {
        rmSync(top, { recursive: true, force: true });
        plant(old(), { 'uploads/a.png': 'a', '.env': 'KEY=1', 'deep/in/it.json': '{}' });
        const { linked } = link({ 'server.js': '1' });
        linkLasting(linked, path, join(old(), path));
        const before = contents(old());
        let left = steps;
        let killed = false;
        try {
          moveToShared(old(), shared(), path, release(), () => {
            if (left-- === 0) throw new Killed();
          });
        } catch (error) {
          if (!(error instanceof Killed)) throw error;
          killed = true;
        }
        expect(moveToShared(old(), shared(), path, release())).toBe(true);
        expect(moveToShared(old(), shared(), path, release())).toBe(true);
        for (const version of [old(), release()])
          expect(realpathSync(join(version, path))).toBe(join(shared(), path));
        const file = Object.keys(before).find((name) => name.startsWith(path)) ?? '';
        expect(readFileSync(join(release(), file), 'utf8')).toBe(before[file]);
        if (!killed) return;
      }
    },
  );

  test('what is shared already under that name is never replaced', () => {
    plant(old(), { 'a.txt': 'new', 'b/x': 'new' });
    plant(shared(), { 'a.txt': 'old', 'b/y': 'old' });
    const before = contents(top);
    expect(moveToShared(old(), shared(), 'a.txt', null)).toBe(false);
    expect(moveToShared(old(), shared(), 'b', null)).toBe(false);
    expect(contents(top)).toEqual(before);
  });

  test("what is gone meanwhile is nobody's", () => {
    plant(old(), {});
    expect(moveToShared(old(), shared(), 'gone', release())).toBe(false);
    expect(contents(old())).toEqual({});
  });
});

test('what an app has made in its version is found, without caches, links and env files', () => {
  const version = built(old(), { 'server.js': '1', 'uploads/.gitkeep': '' }, { 'dist/a.js': '1' });
  plant(old(), {
    'uploads/a.png': 'a',
    'dist/report.pdf': 'r',
    'logs/today.log': 'l',
    '.env': 'KEY=1',
    'node_modules/.cache/x': '',
    '.next/cache/y': '',
    shared: '-> ../../shared',
    '.git/HEAD': 'ref',
  });
  expect(madeByApp(old(), version).sort()).toEqual(['dist/report.pdf', 'logs', 'uploads/a.png']);
});

test('a link leads somewhere else at once, whatever a killed program left beside it', () => {
  plant(top, { 'releases/1/v': '1', 'releases/2/v': '2', 'current.pm2-ssh-deploy': '-> releases/none' });
  for (const version of [old(), release()]) {
    setLink(version, join(top, 'current'));
    expect(realpathSync(join(top, 'current'))).toBe(version);
  }
  expect(readlinkSync(join(top, 'current'))).toBe('releases/2');
});
