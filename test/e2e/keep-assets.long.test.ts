import { createHash } from 'node:crypto';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { type Flaw, UNVISITED } from '../rig/fixture-app.ts';
import { atRest } from '../rig/leftovers.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
beforeAll(async () => {
  site = await createSite(NEWEST, { app: UNVISITED });
});
afterAll(() => site?.stop());

const BUILD = 'node build.js && mkdir -p dist/assets && cp version.json dist/assets/app-$(cat name.txt).js';
/** An app that says by its dependencies where its assets are. */
const commit = (version: string, flaw?: Flaw): string =>
  site.commit({
    version,
    ...(flaw && { flaw }),
    moreFiles: {
      'name.txt': version,
      'package.json': JSON.stringify({ name: 'shop', devDependencies: { vite: '7' } }),
    },
  });
const assets = (): string[] => readdirSync(path.join(site.live, 'dist/assets')).sort();

/** Each file of the live directory with a hash of its content. */
function tree(): string[] {
  return readdirSync(site.live, { recursive: true, encoding: 'utf8' })
    .filter((name) => !/(^|\/)\.git(\/|$)/.test(name) && statSync(path.join(site.live, name)).isFile())
    .map((name) => {
      const content = readFileSync(path.join(site.live, name));
      return `${name} ${createHash('sha256').update(content).digest('hex')}`;
    })
    .sort();
}

test('assets of replaced versions stay in the live directory, as a known framework has them', async () => {
  for (const version of ['1', '2', '3']) {
    const run = await site.deploy({ ref: commit(version), 'build-command': BUILD });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    if (version === '3')
      expect(run.stdout).toContain(
        'Kept for pages that are open in browsers: 2 assets of the 2 versions before this one.',
      );
  }
  expect(assets()).toEqual(['app-1.js', 'app-2.js', 'app-3.js']);
});

test('a version that is rolled back leaves the files exactly as they were', async () => {
  await atRest(site.host.directory);
  const before = tree();
  const broken = await site.deploy({
    ref: commit('broken', 'crashes after 2 s'),
    'build-command': BUILD,
    canary: 'off',
    'stable-for': '4s',
  });
  expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  await atRest(site.host.directory);
  expect(tree()).toEqual(before);
  expect(await site.served()).toBe('3');
});

test('each rollback to an earlier version keeps the assets of what it replaces, and needs no build; none are kept if nobody wants them', async () => {
  const back = await site.deploy({ mode: 'rollback', 'build-command': BUILD });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await site.served()).toBe('2');
  expect(assets()).toEqual(['app-1.js', 'app-2.js', 'app-3.js']);
  const further = await site.deploy({ mode: 'rollback', 'build-command': BUILD });
  expect(further, further.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(further.stdout).toContain('It needs no fetch, no install and no build.');
  expect(await site.served()).toBe('1');
  const none = await site.deploy({ ref: commit('4'), 'build-command': BUILD, 'keep-assets': 'none' });
  expect(none, none.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(assets()).toEqual(['app-4.js']);
});
