import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { type Flaw, UNVISITED } from '../rig/fixture-app.ts';
import { createHost } from '../rig/host.ts';
import { createSite, type Site } from '../rig/site.ts';

/** Notes each build in the cache that it finds, as a build does that relies on what is there. */
const BUILD = `node build.js
mkdir -p .next/cache/images
ls .next/cache/images > images.txt
cat name.txt >> .next/cache/builds
cp .next/cache/builds .next/builds
! grep broken name.txt`;

function commit(site: Site, version: string, flaw?: Flaw): string {
  const manifest = JSON.stringify({ name: 'shop', dependencies: { next: '16' } });
  return site.commit({
    version,
    ...(flaw && { flaw }),
    moreFiles: { 'name.txt': `${version}\n`, 'package.json': manifest },
  });
}

/** The builds that the live version's build knew of. */
const builds = (live: string): string[] =>
  readFileSync(path.join(live, '.next/builds'), 'utf8').trim().split('\n');

test('a build has the cache of the version that is live, in each layout, and of no other build', {
  timeout: 300_000,
}, async () => {
  await using host = await createHost();
  await using site = await createSite(host, { app: UNVISITED });
  const deploy = (version: string, inputs: Record<string, string> = {}, flaw?: Flaw): Promise<ActionRun> =>
    site.deploy({ ref: commit(site, version, flaw), 'build-command': BUILD, ...inputs });
  const isDeployed = (run: ActionRun): void =>
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });

  isDeployed(await deploy('1'));
  const image = path.join(site.live, '.next/cache/images/a.webp');
  mkdirSync(path.dirname(image), { recursive: true });
  writeFileSync(image, 'made by the app');
  isDeployed(await deploy('2'));
  expect(builds(site.live)).toEqual(['1', '2']);
  // It stays the app's, and no build sees it.
  expect(readFileSync(image, 'utf8')).toBe('made by the app');
  expect(readFileSync(path.join(site.live, 'images.txt'), 'utf8')).toBe('');

  const bad = await deploy('bad', { canary: 'off', 'stable-for': '4s' }, 'crashes after 2 s');
  expect(bad, bad.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  isDeployed(await deploy('3'));
  expect(builds(site.live)).toEqual(['1', '2', '3']);

  const broken = await deploy('broken');
  expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  const anew = await deploy('4');
  isDeployed(anew);
  expect(anew.stdout).toContain('the last deploy failed before its build was ready.');
  expect(builds(site.live)).toEqual(['4']);

  isDeployed(await site.deploy({ mode: 'rollback', 'build-command': BUILD }));
  expect(builds(site.live)).toEqual(['1', '2', '3']);
  isDeployed(await deploy('5', { layout: 'releases' }));
  isDeployed(await deploy('6', { layout: 'releases' }));
  expect(builds(path.join(site.live, 'current'))).toEqual(['1', '2', '3', '5', '6']);
  isDeployed(await deploy('7', { layout: 'releases', 'fresh-install': 'true' }));
  expect(builds(path.join(site.live, 'current'))).toEqual(['7']);
  expect(await site.served()).toBe('7');
});
