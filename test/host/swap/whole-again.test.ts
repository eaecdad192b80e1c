import { mkdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { recordGenerated, withoutPaths } from '../../../src/host/swap/tree.ts';
import { firstDifference, makeWhole } from '../../../src/host/swap/whole-again.ts';
import { pick, random } from '../../rig/random.ts';
import { randomVersion } from './random-version.ts';
import {
  contents,
  createSite,
  type Files,
  fingerprints,
  identities,
  plant,
  type Site,
} from './site-fixture.ts';

let site: Site;
beforeEach(() => {
  site = createSite();
});
afterEach(() => site.remove());

const filesIn = (root: string): Files =>
  Object.fromEntries(Object.entries(contents(root)).filter(([path]) => !path.endsWith('/')));

it.each(Array.from({ length: 20 }, (_, seed) => [seed]))(
  'makes any version whole out of what its successor replaced, seed %i',
  async (seed) => {
    const rand = random(seed);
    plant(site.live, { 'uploads/cat.jpg': 'a cat', '.env': 'SECRET=1' });
    for (let round = 0, old = randomVersion(rand); round < 5; round++) {
      await site.deploy(old);
      const generated = site.record();
      const next = randomVersion(rand);
      const { ops } = await site.deploy(next);
      const { kept } = site.places();
      mkdirSync(kept, { recursive: true });
      const live = identities(site.live).sort();
      const before = { tracked: fingerprints(old.tracked), generated, ops };
      const whole = { ...old.tracked, ...old.built };

      expect(makeWhole(kept, site.live, before)).toBeNull();
      expect(filesIn(kept)).toEqual(whole);
      // As a kill in the middle of it, and a canary, would leave it.
      const replaced = ops.filter((op) => op.live).map(({ path }) => path);
      for (const path of Object.keys(whole))
        if (rand(2) === 0 && !replaced.some((one) => path === one || path.startsWith(`${one}/`)))
          rmSync(join(kept, path));
      plant(kept, { 'new-by-canary': 'x', '.env': 'OLD=1' });
      expect(makeWhole(kept, site.live, before)).toBeNull();
      expect(filesIn(kept)).toEqual(whole);
      expect(identities(site.live).sort()).toEqual(live);

      if (replaced.length > 0) {
        rmSync(join(kept, pick(rand, replaced)), { recursive: true });
        expect(makeWhole(kept, site.live, before)).toEqual(expect.any(String));
      }
      old = next;
    }
  },
);

it('names what was changed since: a tracked file in live, a database that the build made', async () => {
  const tracked = { 'same.js': 'same', 'src/a.js': 'old' };
  await site.deploy({ tracked, built: { 'data/seed.bin': 'seed', 'dist/a.js': 'built' } });
  const generated = site.record();
  const { ops } = await site.deploy({
    tracked: { 'same.js': 'same', 'src/a.js': 'new' },
    built: { 'dist/a.js': 'built' },
  });
  const { kept } = site.places();
  const before = { tracked: fingerprints(tracked), generated, ops };
  expect(makeWhole(kept, site.live, before)).toBeNull();
  writeFileSync(join(site.live, 'same.js'), 'changed by hand');
  expect(makeWhole(kept, site.live, before)).toBe('same.js');
  writeFileSync(join(site.live, 'same.js'), 'same');
  writeFileSync(join(kept, 'data/seed.bin'), 'grown');
  expect(makeWhole(kept, site.live, before)).toBe('data/seed.bin');
});

it('finds no difference in a link in the place of a file that the version has given up', () => {
  const tracked = { 'settings.json': '{}', 'a.js': 'a' };
  const top = site.live;
  plant(top, tracked);
  const recorded = withoutPaths(recordGenerated(top, fingerprints(tracked)), Object.keys(tracked), [
    'settings.json',
  ]);
  rmSync(join(top, 'settings.json'));
  symlinkSync('../shared/settings.json', join(top, 'settings.json'));
  expect(firstDifference(recorded, recordGenerated(top, fingerprints(tracked)))).toBeNull();
  writeFileSync(join(top, 'a.js'), 'changed');
  expect(firstDifference(recorded, recordGenerated(top, fingerprints(tracked)))).toBe('a.js');
});
