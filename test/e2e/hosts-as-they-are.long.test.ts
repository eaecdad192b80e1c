import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { FixtureOptions } from '../rig/fixture-app.ts';
import type { Host } from '../rig/host.ts';
import { startLoad } from '../rig/load.ts';
import { MIDDLE, OLDEST } from '../rig/pm2.ts';
import { createSite } from '../rig/site.ts';

/** Somebody else's process in the same PM2, in a namespace of its own. */
async function startNeighbour(host: Host): Promise<void> {
  const home = path.join(host.directory, 'other');
  mkdirSync(home);
  writeFileSync(path.join(home, 'app.js'), 'setInterval(() => {}, 1e6)');
  await host.pm2(['start', 'app.js', '--name', 'neighbour', '--namespace', 'theirs'], home);
}

test(`a name and a script, no ecosystem file, no daemon: ${OLDEST.name}`, async () => {
  const inputs = { app: 'my shop', script: 'dist/server.js', 'stable-for': '500ms' };
  await using site = await createSite(OLDEST, { inputs });
  const { host, port } = site;
  const commit = (options: Omit<FixtureOptions, 'port'>): string => {
    const { 'ecosystem.config.js': _, ...files } = site.files(options);
    files['src/server.js'] = files['src/server.js']?.replace('process.env.PORT', `${port}`) ?? '';
    return site.commit({ files });
  };

  const first = await site.deploy({ ref: commit({ version: '1' }) });
  expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await site.served()).toBe('1');
  await startNeighbour(host);
  const [neighbour] = await host.instances('neighbour');
  const [shop] = await host.instances('my shop');

  const load = startLoad({ url: `http://127.0.0.1:${port}/version`, connections: 5 });
  const sha = commit({ version: '2' });
  const second = await site.deploy({ ref: sha });
  const { failed, failures } = await load.stop();
  expect(second, second.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect({ failed, failures }).toEqual({ failed: 0, failures: {} });
  expect(await site.served()).toBe('2');
  const now = await host.instances('my shop');
  expect(now).toMatchObject([{ pmId: shop?.pmId, status: 'online' }]);
  expect(now[0]?.pid).not.toBe(shop?.pid);

  const again = await site.deploy({ ref: sha });
  expect(again, again.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  const broken = await site.deploy({ ref: commit({ version: '3', flaw: 'throws at boot' }) });
  expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { sha } });
  expect(await site.served()).toBe('2');
  expect((await host.instances('neighbour'))[0]).toEqual(neighbour);
});

test(`two apps of a file with three, in an ES module project: ${MIDDLE.name}`, async () => {
  await using site = await createSite(MIDDLE, {
    inputs: { app: 'api,my worker', 'stable-for': '500ms' },
  });
  const { host, port } = site;
  await startNeighbour(host);
  const [neighbour] = await host.instances('neighbour');
  const commit = (version: string): string => {
    const files = site.files({ version });
    const worker = { script: 'worker.js', instances: 1, exec_mode: 'fork' };
    const apps = [
      { name: 'api', script: 'dist/server.cjs', instances: -1, exec_mode: 'cluster', env: { PORT: port } },
      { ...worker, name: 'my worker', namespace: 'jobs' },
      { ...worker, name: 'not chosen' },
    ];
    delete files['ecosystem.config.js'];
    Object.assign(files, {
      'package.json': '{ "name": "shop", "type": "module" }',
      'ecosystem.config.cjs': `module.exports = ${JSON.stringify({ apps })};`,
      'build.js': `import fs from 'node:fs';
fs.mkdirSync('dist', { recursive: true });
fs.copyFileSync('src/server.js', 'dist/server.cjs');
fs.copyFileSync('version.json', 'dist/version.json');`,
      'worker.js': 'import "node:fs"; setInterval(() => {}, 1e6); process.on("SIGINT", () => {});',
    });
    return site.commit({ files });
  };
  for (const version of ['1', '2']) {
    const run = await site.deploy({ ref: commit(version) });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(await site.served()).toBe(version);
    const killed = "'my worker': an old instance was still alive 1.6 s after PM2 told it to end";
    expect(run.stdout.includes(killed)).toBe(version === '2');
  }
  const all = await host.instances();
  expect(new Set(all.map(({ name }) => name))).toEqual(new Set(['neighbour', 'api', 'my worker']));
  expect(all.find(({ name }) => name === 'neighbour')).toEqual(neighbour);
});
