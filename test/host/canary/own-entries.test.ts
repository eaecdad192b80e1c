import { lstatSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { bringDatabases, linkOwn } from '../../../src/host/canary/own-entries.ts';
import { removeUnknown } from '../../../src/host/swap/remove-unknown.ts';
import { contents, createSite, DATABASE, plant, type Site } from '../swap/site-fixture.ts';

let site: Site;
beforeEach(() => {
  site = createSite();
});
afterEach(() => site.remove());

test("staging sees what is the app's own, and nothing that a deploy put into live", async () => {
  const tracked = { 'a.js': '1', 'data/.gitkeep': '', 'src/b.js': '1', 'old/c.js': '1' };
  await site.deploy({
    tracked,
    built: { 'dist/a.js': '1', 'dist/gone.js': '1', 'node_modules/m/i.js': '1' },
  });
  plant(site.live, {
    '.env': 'KEY=1',
    'uploads/photo.jpg': 'bytes',
    'data/prod.db': DATABASE,
    'dist/cache/x': 'written by the app',
    'old/report.txt': 'own',
    '.git/HEAD': 'ref',
  });
  const next = {
    tracked: { 'a.js': '2', 'data/.gitkeep': '', 'src/b.js': '1' },
    built: { 'dist/a.js': '2' },
  };
  const list = await site.stage(next);
  expect(list.collisions).toEqual([]);
  expect(list.own().sort()).toEqual(['.env', 'data/prod.db', 'dist/cache', 'old/report.txt', 'uploads']);

  const { staging } = site.places();
  const before = contents(staging);
  linkOwn(list.own(), site.live, staging);
  const seen = contents(staging);
  for (const path of list.own()) expect(seen[path]).toBe(`-> ${site.live}/${path}`);
  expect(seen['dist/gone.js']).toBeUndefined();
  expect(seen['node_modules/m/i.js']).toBeUndefined();

  // What a canary writes: through a link it is live's, beside it it is nobody's.
  writeFileSync(join(staging, 'uploads/new.jpg'), 'more bytes');
  plant(staging, { 'dist/tmp/x': 'scratch', 'logs/today.log': 'line' });
  removeUnknown(staging, list.version);
  expect(contents(staging)).toEqual(before);
  expect(readFileSync(join(site.live, 'uploads/new.jpg'), 'utf8')).toBe('more bytes');
  expect(contents(site.live)['data/prod.db']).toBe(DATABASE.toString('latin1'));

  site.forward(list);
  expect(contents(site.live)['dist/a.js']).toBe('2');
  expect(lstatSync(join(site.live, 'uploads')).isDirectory()).toBe(true);
});

test('a build that emits nothing is not helped out by what live has of the last one', async () => {
  await site.deploy({ tracked: { 'a.js': '1' }, built: { 'dist/server.js': 'v1' } });
  const list = await site.stage({ tracked: { 'a.js': '2' } });
  linkOwn(list.own(), site.live, site.places().staging);
  expect(contents(site.places().staging)).toEqual({ 'a.js': '2' });
});

test('nor by what was built by hand before the first deploy', async () => {
  await site.deploy({ tracked: { 'a.js': '1' } });
  plant(site.live, { 'dist/server.js': 'v1', 'node_modules/m/i.js': '1', '.env': 'KEY=1' });
  const list = await site.stage(
    { tracked: { 'a.js': '2' } },
    { hand: true, ignored: (paths) => new Set(paths) },
  );
  expect(list.own()).toEqual(['.env']);
});

test('a link of live that leads nowhere, and one to elsewhere, are shown as they are and not followed', async () => {
  const elsewhere = mkdtempSync(join(tmpdir(), 'elsewhere-'));
  plant(elsewhere, { 'precious.txt': 'keep' });
  await site.deploy({ tracked: { 'a.js': '1' } });
  plant(site.live, { storage: `-> ${elsewhere}`, nowhere: '-> /no/such/place' });
  const list = await site.stage({ tracked: { 'a.js': '2' } });
  const { staging } = site.places();
  linkOwn(list.own(), site.live, staging);
  expect(readFileSync(join(staging, 'storage/precious.txt'), 'utf8')).toBe('keep');
  removeUnknown(staging, list.version);
  expect(contents(staging)).toEqual({ 'a.js': '2' });
  expect(readFileSync(join(elsewhere, 'precious.txt'), 'utf8')).toBe('keep');
  rmSync(elsewhere, { recursive: true });
});

test("a database that a migration made in staging becomes the app's own, with its log; nothing else does", async () => {
  await site.deploy({ tracked: { 'a.js': '1', 'data/.gitkeep': '' } });
  plant(site.live, { 'old.db': DATABASE });
  const list = await site.stage({
    tracked: { 'a.js': '2', 'data/.gitkeep': '' },
    built: { 'dist/seed.db': DATABASE },
  });
  const { staging } = site.places();
  linkOwn(list.own(), site.live, staging);
  plant(staging, {
    'new/app.db': DATABASE,
    'new/app.db-wal': 'not written back yet',
    'data/app.db': DATABASE,
    'migrate.log': 'line',
    'node_modules/.cache/x.db': DATABASE,
  });
  const found = bringDatabases(staging, site.live, list.version);
  expect(found.brought.sort()).toEqual(['data/app.db', 'new/app.db', 'new/app.db-wal']);
  expect(found.left).toEqual([]);
  removeUnknown(staging, list.version);
  expect(Object.keys(contents(staging)).sort()).toEqual(['a.js', 'data/.gitkeep', 'dist/seed.db']);
  expect(contents(site.live)['new/app.db-wal']).toBe('not written back yet');
  expect(list.own().sort()).toEqual(['data/app.db', 'new', 'old.db']);
});

test('a database whose place in live is taken stays where it was made', async () => {
  await site.deploy({ tracked: { 'a.js': '1' } });
  const list = await site.stage({ tracked: { 'a.js': '2' } });
  plant(site.live, { 'app.db': 'the app was quicker' });
  plant(site.places().staging, { 'app.db': DATABASE });
  const found = bringDatabases(site.places().staging, site.live, list.version);
  expect(found).toEqual({ brought: [], left: ['app.db'] });
  expect(contents(site.live)['app.db']).toBe('the app was quicker');
});
