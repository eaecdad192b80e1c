import { lstatSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { random } from '../../rig/random.ts';
import { FILES, isWithin, randomVersion, scatter } from './random-version.ts';
import { contents, createSite, type Files, identities, plant } from './site-fixture.ts';

/** Own paths that the version would replace. */
function expectedCollisions(own: Files, next: Files): string[] {
  const coming = Object.keys(next);
  return Object.keys(own).filter((path) =>
    coming.some((to) => (to === path ? own[path] !== next[to] : isWithin(path, to) || isWithin(to, path))),
  );
}

it.each(Array.from({ length: 30 }, (_, seed) => [seed]))(
  'lists and swaps random trees, seed %i',
  async (seed) => {
    const rand = random(seed);
    const site = createSite();
    try {
      let own: Files = {};
      let known: Files = {};
      for (let round = 0; round < 6; round++) {
        const more = scatter(rand, 2, [...FILES, 'mine', 'mine too', 'm', 'n'], 30, { ...known, ...own });
        plant(site.live, more);
        own = { ...own, ...more };
        const version = randomVersion(rand);
        const next = { ...version.tracked, ...version.built };
        const before = identities(site.live).sort();
        const list = await site.stage(version);
        expect(identities(site.live).sort()).toEqual(before);

        const wanted = expectedCollisions(own, next);
        expect(list.collisions.length > 0).toBe(wanted.length > 0);
        for (const { path } of list.collisions)
          expect(
            wanted.some((one) => one === path || isWithin(one, path)),
            path,
          ).toBe(true);
        if (wanted.length > 0) continue;

        const paths = list.ops.map(({ path }) => path);
        expect(paths.filter((path) => paths.some((other) => isWithin(path, other)))).toEqual([]);
        const inodes = Object.keys(own).map((path) => lstatSync(join(site.live, path)).ino);
        expect(site.forward(list).reappeared).toEqual([]);
        expect(contents(site.live)).toEqual({ ...own, ...next });
        expect(Object.keys(own).map((path) => lstatSync(join(site.live, path)).ino)).toEqual(inodes);
        site.backward(list);
        expect(identities(site.live).sort()).toEqual(before);
        site.forward(list);
        site.commit();
        known = next;
        // What the commit has in the same form is git's from here on; what the build made so stays the app's own.
        own = Object.fromEntries(Object.entries(own).filter(([path]) => !(path in version.tracked)));
      }
    } finally {
      site.remove();
    }
  },
);
