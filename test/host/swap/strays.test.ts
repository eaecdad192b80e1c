import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { bringBack } from '../../../src/host/swap/strays.ts';
import { contents, createSite, fingerprints, plant, type Site, type Version } from './site-fixture.ts';

let site: Site;
beforeEach(() => {
  site = createSite();
});
afterEach(() => site.remove());

const v1: Version = { tracked: { 'public/a': '1' }, built: { 'dist/x/a.js': '1', 'old/b': '1' } };
const v2: Version = { tracked: { 'public/a': '2' }, built: { 'dist/x/a.js': '2', 'dist/taken': '2' } };

it('brings back what the app wrote into a directory after its swap was listed', async () => {
  await site.deploy(v1);
  const generated = site.record();
  const list = await site.stage(v2);
  plant(site.live, {
    'public/uploads/1.png': 'x',
    'dist/x/log': 'l',
    'dist/taken': 'app',
    'old/mine/c': 'c',
  });
  mkdirSync(join(site.live, 'dist/empty'));
  site.forward(list);
  const { kept } = site.places();
  const version = { tracked: fingerprints(v1.tracked), generated };
  const strays = bringBack(kept, site.live, version, list.ops);
  expect(strays.brought.sort()).toEqual(['dist/empty', 'dist/x/log', 'old/mine', 'public/uploads']);
  expect(strays.left).toEqual(['dist/taken']);
  const own = { 'public/uploads/1.png': 'x', 'dist/x/log': 'l', 'old/mine/c': 'c', 'dist/empty/': '' };
  expect(contents(site.live)).toEqual({ ...v2.tracked, ...v2.built, ...own });
  expect(bringBack(kept, site.live, version, list.ops)).toEqual({ brought: [], left: ['dist/taken'] });
});

it('brings back what was written while a version was live that was rolled back', async () => {
  await site.deploy(v1);
  const list = await site.stage(v2);
  site.forward(list);
  plant(site.live, { 'public/uploads/1.png': 'x', 'dist/x/log': 'l' });
  site.backward(list);
  expect(contents(site.live)).toEqual({ ...v1.tracked, ...v1.built });
  const version = { tracked: fingerprints(v2.tracked), generated: site.record() };
  bringBack(site.places().staging, site.live, version, list.ops);
  expect(contents(site.live)).toEqual({
    ...v1.tracked,
    ...v1.built,
    'public/uploads/1.png': 'x',
    'dist/x/log': 'l',
  });
});

it('brings nothing where no record says what is whose', async () => {
  await site.deploy(v1);
  const list = await site.stage(v2, { hand: true });
  site.forward(list);
  const version = { tracked: fingerprints(v1.tracked), generated: null };
  expect(bringBack(site.places().kept, site.live, version, list.ops)).toEqual({ brought: [], left: [] });
});

it('does not bring back what the inputs of the deploy gave to a directory that live lacks', async () => {
  await site.deploy(v1);
  const list = await site.stage(
    { ...v2, tracked: { ...v2.tracked, 'config/a': '2' } },
    { given: ['config/.env'] },
  );
  site.forward(list);
  expect(contents(site.live)).toMatchObject({ 'config/.env': 'given' });
  plant(site.live, { 'config/mine': 'x' });
  site.backward(list);
  const tracked = fingerprints({ ...v2.tracked, 'config/a': '2' });
  const version = { tracked, generated: site.record(), given: ['config/.env'] };
  bringBack(site.places().staging, site.live, version, list.ops);
  expect(contents(site.live)).toEqual({ ...v1.tracked, ...v1.built, 'config/mine': 'x' });
});
