import { spawnSync } from 'node:child_process';
import { chmodSync, rmSync, symlinkSync, unlinkSync, utimesSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { type LiveTree, readTree } from '../../../src/host/swap/live-tree.ts';
import { bringBack } from '../../../src/host/swap/strays.ts';
import { describeCollision, listSwaps, type SwapList } from '../../../src/host/swap/swap-list.ts';
import type { Generated } from '../../../src/host/swap/tree.ts';
import { writePlainJs } from './plain-js.ts';
import {
  contents,
  createSite,
  DATABASE,
  fingerprints,
  plant,
  type Site,
  type Version,
} from './site-fixture.ts';

let site: Site;
beforeEach(() => {
  site = createSite();
});
afterEach(() => site.remove());

/** `path+-`: something of live goes, nothing comes. */
const shapes = ({ ops }: SwapList): string[] =>
  ops.map(({ path, live, staging }) => `${path} ${live ? 'goes' : ''}${staging ? 'comes' : ''}`);
const whys = ({ collisions }: SwapList): string[] =>
  collisions.map(({ path, why, at, brings }) => `${path} ${why} ${at} ${brings}`);

/** Deploys v1, lets the app do something, and lists the swap to v2; with no collision also swaps there and back. */
async function upgrade(
  v1: Version,
  app: (live: string) => void,
  v2: Version,
  options = {},
): Promise<SwapList> {
  await site.deploy(v1);
  app(site.live);
  const before = contents(site.live);
  const list = await site.stage(v2, options);
  expect(contents(site.live)).toEqual(before);
  if (list.collisions.length === 0) {
    site.forward(list);
    site.backward(list);
    expect(contents(site.live)).toEqual(before);
    site.forward(list);
    site.commit();
  }
  return list;
}
const nothing = (): void => {};

it('exchanges a given file that is equal but open to other users, and leaves one that is closed', async () => {
  plant(site.live, { '.env': 'given', 'closed/.env': 'given' });
  chmodSync(join(site.live, '.env'), 0o644);
  chmodSync(join(site.live, 'closed/.env'), 0o600);
  const version = { tracked: { 'closed/app.json': '1' } };
  const list = await site.stage(version, { given: ['.env', 'closed/.env'] });
  expect(shapes(list)).toEqual(['.env goescomes', 'closed/app.json comes']);
});

it('takes no directory of a given file as a whole, so that the way back takes that file away too', async () => {
  const list = await upgrade(
    { tracked: { 'config/app.json': '1' } },
    nothing,
    { tracked: { 'config/app.json': '2' } },
    {
      given: ['config/.env'],
    },
  );
  expect(shapes(list)).toEqual(['config/.env comes', 'config/app.json goescomes']);
});

describe('what both versions have', () => {
  it("leaves equal files, and takes a directory as a whole where nothing in it is the app's own", async () => {
    const list = await upgrade(
      { tracked: { 'a.js': '1', 'b.js': '1', 'src/x.js': '1', 'src/deep/y.js': '1', 'lib/z.js': '1' } },
      nothing,
      { tracked: { 'a.js': '1', 'b.js': '2', 'src/x.js': '1', 'src/deep/y.js': '2', 'lib/z.js': '1' } },
    );
    expect(shapes(list)).toEqual(['b.js goescomes', 'src goescomes']);
  });

  it("takes single entries where a directory holds something of the app's own, however deep", async () => {
    const list = await upgrade(
      { tracked: { 'src/x.js': '1', 'src/deep/y.js': '1', 'src/other/z.js': '1' } },
      (live) => plant(live, { 'src/deep/notes.txt': 'mine' }),
      { tracked: { 'src/x.js': '2', 'src/deep/y.js': '2', 'src/other/z.js': '2', 'src/new/n.js': '2' } },
    );
    expect(shapes(list)).toEqual([
      'src/deep/y.js goescomes',
      'src/new comes',
      'src/other goescomes',
      'src/x.js goescomes',
    ]);
    expect(contents(site.live)).toMatchObject({ 'src/deep/notes.txt': 'mine', 'src/deep/y.js': '2' });
  });

  it('sees a changed mode, and a link that points elsewhere', async () => {
    const list = await upgrade({ tracked: { 'same.sh': 'x', current: '-> one', 'docs/a': 'x' } }, nothing, {
      tracked: { 'same.sh': 'x', current: '-> two', 'docs/a': 'x' },
    });
    expect(shapes(list)).toEqual(['current goescomes']);
  });

  it('keeps a pinned directory in place, and all around it', async () => {
    const versions = ['1', '2'].map((v) => ({
      tracked: { 'packages/api/index.js': v, 'packages/web/index.js': v },
    }));
    const list = await upgrade(versions[0] as Version, nothing, versions[1] as Version, {
      pinned: ['packages/api'],
    });
    expect(shapes(list)).toEqual(['packages/api/index.js goescomes', 'packages/web goescomes']);
  });

  it('handles names with blanks, quotes, newlines, leading dashes and unicode', async () => {
    const odd = [
      'a b',
      '"q"',
      "it's",
      'new\nline',
      '-rf',
      'ümlaut/日本',
      '$(id)',
      '\\',
      '__proto__',
      'constructor',
    ];
    const files = (content: string): Version => ({
      tracked: Object.fromEntries(odd.map((name) => [name, content])),
      built: Object.fromEntries(odd.map((name) => [`dist/${name}`, content])),
    });
    const list = await upgrade(files('1'), nothing, files('2'));
    expect(list.ops).toHaveLength(odd.length + 1);
    expect(Object.values(contents(site.live)).every((content) => content === '2')).toBe(true);
  });
});

describe('what a build made in a directory that is named like an app’s own', () => {
  const v1 = {
    tracked: { a: '1' },
    built: { 'dist/data/db.json': '[]', 'dist/data/deep/x': '1', 'dist/b.js': '1' },
  };
  const write = (live: string): void => writeFileSync(join(live, 'dist/data/db.json'), '["an order"]');

  it('is replaced with its directory as long as the app has not changed it', async () => {
    const list = await upgrade(v1, nothing, {
      tracked: { a: '1' },
      built: { 'dist/data/db.json': '[1]', 'dist/b.js': '2' },
    });
    expect(shapes(list)).toEqual(['dist goescomes']);
  });

  it("is the app's own once the app has changed it: the next build's own stands in its way", async () => {
    const list = await upgrade(v1, write, {
      tracked: { a: '1' },
      built: { 'dist/data/db.json': '[]', 'dist/b.js': '2' },
    });
    expect(whys(list)).toEqual(['dist/data/db.json changed dist/data/db.json generated']);
  });

  it('stays where the next build makes none, and the rest of its directory is exchanged', async () => {
    const list = await upgrade(v1, write, { tracked: { a: '1' }, built: { 'dist/b.js': '2' } });
    expect(shapes(list)).toEqual(['dist/b.js goescomes', 'dist/data/deep goes']);
    expect(contents(site.live)).toMatchObject({ 'dist/data/db.json': '["an order"]', 'dist/b.js': '2' });
  });

  it('is not looked at one by one in node_modules', async () => {
    const built = { 'node_modules/x/data/a.json': '1', 'node_modules/x/logs/b': '1' };
    await site.deploy({ tracked: { a: '1' }, built });
    expect(site.record().singles).toEqual([]);
  });
});

describe('pages that Next.js renders while it runs', () => {
  const files = (name: string) => ({
    '.next/BUILD_ID': name,
    '.next/server/app/index.html': name,
    '.next/cache/.tsbuildinfo': name,
  });
  const built = (name: string) => ({ tracked: { 'package.json': name }, built: files(name) });
  const uploaded = (name: string) => ({ tracked: { 'package.json': name, ...files(name) }, built: {} });

  it.each([
    ['that was built on the server', built],
    ['that was uploaded', uploaded],
  ])('go with their version, and come back with it; its cache stays, of one %s', async (_, next) => {
    await site.deploy(next('1'));
    plant(site.live, {
      '.next/server/app/posts/new.html': 'rendered by 1',
      '.next/server/route-cache/index.html': 'rendered by 1',
      '.next/cache/images/a.webp': 'a',
    });
    const before = contents(site.live);
    const generated = site.record();
    const list = await site.stage(next('2'));
    expect(shapes(list)).toContain('.next/server goescomes');
    expect(list.own()).toEqual(['.next/cache/images']);
    site.forward(list);
    const version = { tracked: fingerprints(next('1').tracked), generated };
    expect(bringBack(site.places().kept, site.live, version, list.ops).brought).toEqual([]);
    expect(contents(site.live)).toEqual({
      ...next('2').tracked,
      ...next('2').built,
      '.next/cache/images/a.webp': 'a',
    });
    site.backward(list);
    expect(contents(site.live)).toEqual(before);
  });
});

describe('what the app had before a build made the very same', () => {
  const plain = { tracked: { 'web/package.json': '{}' } };
  const copied = { ...plain, built: { 'web/.env': 'A=live', 'web/out/x': '1' } };

  it("stays the app's own, whatever later builds make", async () => {
    await site.deploy(plain);
    writeFileSync(join(site.live, 'web/.env'), 'A=live');
    expect(shapes(await site.deploy(copied))).toEqual(['web/out comes']);
    expect(shapes(await site.deploy(copied))).toEqual(['web/out goescomes']);
    expect(shapes(await site.deploy(plain))).toEqual(['web/out goes']);
    expect(contents(site.live)).toMatchObject({ 'web/.env': 'A=live' });
  });
});

describe('what only one version has', () => {
  it('brings what is new whole, and moves what is gone, tracked or generated', async () => {
    const list = await upgrade(
      { tracked: { keep: '1', 'old/a': '1', 'gone.js': '1' }, built: { 'dist/a.js': '1', 'only-v1/x': '1' } },
      nothing,
      { tracked: { keep: '1', 'new/deep/a': '2' }, built: { 'fresh/a.js': '2' } },
    );
    expect(shapes(list)).toEqual([
      'dist goes',
      'fresh comes',
      'gone.js goes',
      'new comes',
      'old goes',
      'only-v1 goes',
    ]);
  });

  it("removes around what is the app's own", async () => {
    await upgrade(
      { tracked: { a: '1', 'old/b': '1', 'old/c/d': '1' }, built: { 'dist/e.js': '1', 'dist/f/g.js': '1' } },
      (live) => plant(live, { 'old/c/mine': 'x', 'dist/uploads/1.png': 'x', 'dist/f/empty/': '' }),
      { tracked: { a: '1' } },
    );
    expect(contents(site.live)).toEqual({
      a: '1',
      'old/c/mine': 'x',
      'dist/uploads/1.png': 'x',
      'dist/f/empty/': '',
    });
  });

  it('does not keep the old build where the new one made nothing', async () => {
    await upgrade({ tracked: { a: '1' }, built: { 'dist/server.js': '1' } }, nothing, {
      tracked: { a: '1' },
    });
    expect(contents(site.live)).toEqual({ a: '1' });
  });

  it('keeps empty directories of either kind', async () => {
    const list = await upgrade(
      { tracked: { a: '1' }, built: { 'logs/': '', 'tmp/': '', 'gone/': '' } },
      (live) => plant(live, { 'logs/app.log': 'line', 'cache/': '' }),
      { tracked: { a: '1' }, built: { 'logs/': '', 'tmp/': '', 'new/': '' } },
    );
    expect(shapes(list)).toEqual(['gone goes', 'new comes']);
    expect(contents(site.live)).toEqual({
      a: '1',
      'logs/app.log': 'line',
      'cache/': '',
      'tmp/': '',
      'new/': '',
    });
  });

  it('goes by what the build left of the commit', async () => {
    const list = await upgrade(
      {
        tracked: { a: '1', b: '1', 'lock.json': '1', same: '1' },
        built: { 'lock.json': '1+', same: '1+' },
        removed: ['b'],
      },
      nothing,
      {
        tracked: { a: '1', b: '1', 'lock.json': '1', same: '1' },
        built: { 'lock.json': '2+', same: '1+' },
        removed: ['a'],
      },
    );
    expect(shapes(list)).toEqual(['a goes', 'b comes', 'lock.json goescomes']);
    expect(contents(site.live)).toEqual({ b: '1', 'lock.json': '2+', same: '1+' });
  });
});

describe('between tracked, ignored and generated', () => {
  const tracked = { tracked: { a: '1', 'dist/server.js': 'tracked', 'dist/x/y.js': 'tracked' } };
  const generated = { tracked: { a: '1' }, built: { 'dist/server.js': 'built', 'dist/z.js': 'built' } };
  it.each([
    ['ignored to tracked', generated, tracked],
    ['tracked to generated', tracked, generated],
  ])('takes dist from %s and back', async (_, v1, v2) => {
    const list = await upgrade(v1, nothing, v2);
    expect(shapes(list)).toEqual(['dist goescomes']);
    site.backward(list);
    expect(contents(site.live)).toEqual({ ...v1.tracked, ...('built' in v1 ? v1.built : {}) });
  });

  it('changes a file into a directory and back, and a directory into a link', async () => {
    const v1 = { tracked: { thing: 'file', 'other/a': '1', 'linked/a': '1' } };
    const list = await upgrade(v1, nothing, {
      tracked: { 'thing/b': '2', other: 'file', linked: '-> other' },
    });
    expect(shapes(list)).toEqual(['linked goescomes', 'other goescomes', 'thing goescomes']);
  });
});

describe("what is the app's own", () => {
  it('is never read where no version has anything, and elsewhere no further than it must', async () => {
    await site.deploy({ tracked: { a: '1', 'uploads/.gitkeep': '', 'src/b': '1' } });
    plant(site.live, { '.env': 'SECRET=1', 'media/1.png': 'x', 'uploads/1.png': 'x', 'uploads/2.png': 'x' });
    const list = await site.stage({ tracked: { a: '2', 'uploads/.gitkeep': '2', 'src/b': '2' } });
    expect(shapes(list)).toEqual(['a goescomes', 'src goescomes', 'uploads/.gitkeep goescomes']);

    const read: string[] = [];
    const tree = readTree(site.live, site.places().staging);
    const live = Object.fromEntries(
      Object.entries(tree).map(([name, method]) => [
        name,
        (...args: [string, number]) => {
          read.push(`${name} ${args.join(' ')}`);
          return (method as (...args: unknown[]) => unknown)(...args);
        },
      ]),
    ) as unknown as LiveTree;
    const nothing: Generated = {
      roots: [],
      directories: [],
      singles: [],
      rewritten: {},
      deleted: [],
      assets: [],
    };
    const trackedOld = new Map([['uploads/.gitkeep', '100644 1']]);
    const trackedNew = new Map([['uploads/.gitkeep', '100644 2']]);
    const records = { trackedOld, trackedNew, generatedOld: nothing, generatedNew: nothing };
    listSwaps({ ...records, live, given: [], flagged: new Set(), adoptable: [] });
    expect(read.filter((one) => !one.includes('uploads'))).toEqual([]);
    expect(read.filter((one) => one.startsWith('list'))).toEqual(['list uploads 2']);
  });

  it('stays where git tracks a placeholder beside it', async () => {
    const list = await upgrade(
      { tracked: { 'uploads/.gitkeep': '' } },
      (live) => plant(live, { 'uploads/1.png': 'x' }),
      { tracked: { 'uploads/.gitkeep': 'changed' } },
    );
    expect(shapes(list)).toEqual(['uploads/.gitkeep goescomes']);
  });

  it('collides with a newly tracked file over an ignored one, unless that is the same', async () => {
    const app = (live: string): void => plant(live, { 'config.json': '{"mine":1}', 'same.json': '{}' });
    const list = await upgrade({ tracked: { a: '1' } }, app, {
      tracked: { a: '1', 'config.json': '{}', 'same.json': '{}' },
    });
    expect(whys(list)).toEqual(['config.json untracked config.json tracked']);
    expect(list.collisions.map(describeCollision)).toEqual([
      '"config.json" is neither tracked by git nor made by an earlier deploy, and the commit has its own: ' +
        'move it away on the server if nothing needs it, or keep the new version from bringing its own.',
    ]);
  });

  it('collides in a generated directory too, and where a file would replace a directory of its own', async () => {
    const app = (live: string): void =>
      plant(live, { 'dist/config.json': 'mine', 'data/rows': 'mine', 'lib/mine': 'x' });
    const list = await upgrade({ tracked: { a: '1', 'lib/b': '1' }, built: { 'dist/a.js': '1' } }, app, {
      tracked: { a: '1', data: 'file', lib: 'file' },
      built: { 'dist/a.js': '2', 'dist/config.json': 'built' },
    });
    expect(whys(list).sort()).toEqual([
      'data untracked data tracked',
      'dist/config.json untracked dist/config.json generated',
      'lib/mine untracked lib tracked',
    ]);
    expect(list.collisions.map(describeCollision).join()).toContain('and the commit has "lib"');
  });

  it('is not followed through a link', async () => {
    await site.deploy({ tracked: { a: '1' }, built: { 'storage/x': '1' } });
    rmSync(join(site.live, 'storage'), { recursive: true });
    plant(site.live, { '../elsewhere/x': 'mine' });
    symlinkSync('../elsewhere', join(site.live, 'storage'));
    const list = await site.stage({ tracked: { a: '1' }, built: { 'storage/x': '2' } });
    expect(whys(list)).toEqual(['storage untracked storage generated']);
  });

  it('keeps the .git of a submodule where it is', async () => {
    const list = await upgrade(
      { tracked: { 'sub/a': '1' } },
      (live) => plant(live, { 'sub/.git': 'gitdir: ../.git/modules/sub' }),
      { tracked: { 'sub/a': '2' }, built: { 'sub/.git': 'gitdir: elsewhere' } },
    );
    expect(shapes(list)).toEqual(['sub/a goescomes']);
    expect(contents(site.live)['sub/.git']).toBe('gitdir: ../.git/modules/sub');
  });

  it('includes a file that is marked skip-worktree, once the new version has another', async () => {
    const v1 = { tracked: { 'config.js': '1', 'left.js': '1', 'dropped.js': '1' } };
    const flagged = new Set(['config.js', 'left.js', 'dropped.js']);
    const app = (live: string): void =>
      plant(live, { 'config.js': 'mine', 'left.js': 'mine', 'dropped.js': 'mine' });
    const list = await upgrade(v1, app, { tracked: { 'config.js': '2', 'left.js': '1' } }, { flagged });
    expect(whys(list)).toEqual(['config.js flagged config.js tracked']);
    expect(list.ops).toEqual([]);
  });
});

describe('a generated file that the app may have written to', () => {
  const v1: Version = { tracked: { 'public/a': '1' }, built: { 'public/state.json': '[]' } };
  const v2: Version = { tracked: { 'public/a': '1' }, built: { 'public/state.json': '[2]' } };

  it('is replaced while it is as the deploy left it, and left where the build makes the same', async () => {
    expect(shapes(await upgrade(v1, nothing, v2))).toEqual(['public goescomes']);
    expect((await site.stage(v2)).ops).toEqual([]);
  });

  it('is left, but not mistaken for a changed one later, where only its time differs', async () => {
    const touch = (live: string): void => utimesSync(join(live, 'public/state.json'), 1, 1);
    expect(shapes(await upgrade(v1, touch, v2))).toEqual(['public goescomes']);
  });

  it('collides once it changed, and stays where the new version has none', async () => {
    await site.deploy(v1);
    plant(site.live, { 'public/state.json': '[1]' });
    expect(whys(await site.stage(v2))).toEqual(['public/state.json changed public/state.json generated']);
    expect(whys(await site.stage(v1))).toEqual(['public/state.json changed public/state.json generated']);
    expect((await site.stage({ tracked: { 'public/a': '2' } })).ops).toEqual([
      { path: 'public/a', live: true, staging: true },
    ]);
  });

  it('comes back where it was deleted', async () => {
    const list = await upgrade(v1, (live) => unlinkSync(join(live, 'public/state.json')), v1);
    expect(list.ops).toEqual([{ path: 'public', live: true, staging: true }]);
    expect(contents(site.live)).toHaveProperty(['public/state.json'], '[]');
  });
});

describe('a database', () => {
  const built = (content: Buffer | string): Version => ({
    tracked: { a: '1' },
    built: { 'prod.db': content },
  });

  it("of the app's collides with one that the build made", async () => {
    const list = await upgrade(
      { tracked: { a: '1' } },
      (live) => plant(live, { 'prod.db': DATABASE }),
      built('empty'),
    );
    expect(whys(list)).toEqual(['prod.db database prod.db generated']);
  });

  it('collides even where a deploy made it, also deep in a generated directory', async () => {
    const empty = Buffer.concat([DATABASE, Buffer.alloc(1)]);
    expect(whys(await upgrade(built(DATABASE), nothing, built(empty)))).toEqual([
      'prod.db database prod.db generated',
    ]);
    await site.deploy({ tracked: { a: '1' }, built: { 'dist/data/x.db': DATABASE, 'dist/a.js': '1' } });
    const list = await site.stage({
      tracked: { a: '1' },
      built: { 'dist/data/x.db': empty, 'dist/a.js': '2' },
    });
    expect(whys(list)).toEqual(['dist/data/x.db database dist/data/x.db generated']);
  });

  it('stays in live where the new version has none, and so do its companions', async () => {
    await upgrade(
      { tracked: { a: '1' }, built: { 'var/prod.db': DATABASE, 'var/x.js': '1' } },
      (live) => plant(live, { 'var/prod.db-wal': 'w', 'var/prod.db-shm': 's' }),
      { tracked: { a: '1' }, built: { 'var/x.js': '2' } },
    );
    expect(Object.keys(contents(site.live)).sort()).toEqual([
      'a',
      'var/prod.db',
      'var/prod.db-shm',
      'var/prod.db-wal',
      'var/x.js',
    ]);
  });

  it('never gets the journal of another beside it', async () => {
    const list = await upgrade({ tracked: { a: '1' } }, (live) => plant(live, { 'prod.db': DATABASE }), {
      tracked: { a: '1' },
      built: { 'prod.db': DATABASE, 'prod.db-wal': 'w' },
    });
    expect(whys(list)).toEqual(['prod.db database prod.db-wal generated']);
  });

  it("that git tracks is the commit's, until a journal lies beside it or the commit drops it", async () => {
    const v1 = { tracked: { 'geo/geo.db': DATABASE, 'geo/b': '1' } };
    const v2 = { tracked: { 'geo/geo.db': Buffer.concat([DATABASE, DATABASE]), 'geo/b': '1' } };
    expect(shapes(await upgrade(v1, nothing, v2))).toEqual(['geo/geo.db goescomes']);
    expect((await site.stage({ tracked: { 'geo/b': '1' } })).ops).toEqual([]);
    plant(site.live, { 'geo/geo.db-wal': 'w' });
    expect(whys(await site.stage(v1))).toEqual(['geo/geo.db database geo/geo.db tracked']);
  });

  it("in a package is the package's, until somebody writes to it", async () => {
    const version = (n: string): Version => ({
      tracked: { a: '1' },
      built: { 'node_modules/geo/geo.db': Buffer.concat([DATABASE, Buffer.from(n)]), 'node_modules/b/x': n },
    });
    expect(shapes(await upgrade(version('1'), nothing, version('2')))).toEqual(['node_modules goescomes']);
    writeFileSync(join(site.live, 'node_modules/geo/geo.db'), Buffer.concat([DATABASE, DATABASE]));
    expect(whys(await site.stage(version('3')))).toEqual([
      'node_modules/geo/geo.db database node_modules/geo/geo.db generated',
    ]);
  });
});

describe('the first deploy over a checkout that was deployed by hand', () => {
  const old = { tracked: { 'a.js': '1', 'web/b.js': '1' } };
  const next: Version = {
    tracked: { 'a.js': '1', 'web/b.js': '2' },
    built: { 'node_modules/x/i.js': '2', 'web/dist/main.2.js': '2' },
  };
  const ignoring = (...names: string[]) => ({
    hand: true,
    ignored: (paths: readonly string[]) => new Set(paths.filter((path) => names.includes(path))),
  });

  it('takes well-known outputs that git ignores as built', async () => {
    const app = (live: string): void =>
      plant(live, {
        'node_modules/x/i.js': '1',
        'node_modules/y/i.js': '1',
        'web/dist/main.1.js': '1',
        'coverage/c': '1',
      });
    const list = await upgrade(old, app, next, ignoring('node_modules', 'web/dist', 'coverage'));
    expect(list.adopted.sort()).toEqual(['coverage', 'node_modules', 'web/dist']);
    expect(shapes(list)).toEqual(['coverage goes', 'node_modules goescomes', 'web goescomes']);
    expect(contents(site.live)).toEqual({ ...next.tracked, ...next.built });
  });

  it('takes nothing that git does not ignore, or that has another name', async () => {
    const app = (live: string): void => plant(live, { 'web/dist/main.2.js': '1', 'web/data/x': '1' });
    const list = await upgrade(old, app, next, ignoring('web/data'));
    expect(list.adopted).toEqual([]);
    expect(whys(list)).toEqual(['web/dist/main.2.js untracked web/dist/main.2.js generated']);
  });

  it('leaves what apps write into their own output', async () => {
    const app = (live: string): void =>
      plant(live, { 'web/dist/main.1.js': '1', 'web/dist/uploads/u.png': 'x', 'web/dist/.env': 'x' });
    await upgrade(old, app, next, ignoring('web/dist'));
    expect(contents(site.live)).toEqual({
      ...next.tracked,
      ...next.built,
      'web/dist/uploads/u.png': 'x',
      'web/dist/.env': 'x',
    });
  });

  it('takes no output that holds a database', async () => {
    const app = (live: string): void =>
      plant(live, { 'web/dist/main.2.js': '1', 'web/dist/store': DATABASE });
    const list = await upgrade(old, app, next, ignoring('web/dist'));
    expect(whys(list)).toEqual(['web/dist/store database web/dist generated']);
  });
});

it('runs on the oldest Node that hosts have', async () => {
  await site.deploy({ tracked: { a: '1' }, built: { 'dist/x': '1' } });
  const generatedOld = site.record();
  plant(site.live, { 'dist/mine': 'x' });
  const expected = await site.stage({ tracked: { a: '2' }, built: { 'dist/x': '2', stamp: '2' } });
  const { directory } = writePlainJs('src/host/swap/swap-list.ts');
  try {
    const program = `
      const { recordGenerated } = require(process.argv[1] + '/tree.cjs');
      const { swapList } = require(process.argv[1] + '/swap-list.cjs');
      const input = JSON.parse(process.argv[2]);
      const trackedOld = new Map(input.trackedOld), trackedNew = new Map(input.trackedNew);
      const generatedNew = recordGenerated(input.staging, trackedNew);
      swapList({ ...input, trackedOld, trackedNew, generatedNew, given: [], flagged: new Set(), ignored: () => new Set() })
        .then((list) => console.log(JSON.stringify(list)));`;
    const input = {
      ...site.places(),
      trackedOld: [...fingerprints({ a: '1' })],
      trackedNew: [...fingerprints({ a: '2' })],
      generatedOld,
    };
    const node = join(import.meta.dirname, '../../host-tools/node_modules/node-16/bin/node');
    const child = spawnSync(node, ['-e', program, directory, JSON.stringify(input)], { encoding: 'utf8' });
    expect(child.stderr).toBe('');
    const { ops, collisions, adopted } = expected;
    expect(JSON.parse(child.stdout)).toMatchObject({ ops, collisions, adopted });
  } finally {
    rmSync(directory, { recursive: true });
  }
});
