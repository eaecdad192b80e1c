import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type ActionRun, runAction } from '../rig/action.ts';
import { type FixtureOptions, fixtureApp } from '../rig/fixture-app.ts';
import { freePort } from '../rig/free-port.ts';
import { createHost, type Host } from '../rig/host.ts';
import { startLoad } from '../rig/load.ts';
import { MIDDLE, OLDEST, type Runtime } from '../rig/pm2.ts';
import { createRepository, type Repository } from '../rig/repository.ts';

let host: Host;
let repository: Repository;
let port: number;

async function set(runtime: Runtime): Promise<void> {
  host = await createHost({ runtime });
  repository = createRepository();
  port = await freePort();
}
afterEach(async () => {
  await host?.stop();
  repository?.remove();
});

const deploy = (ref: string, inputs: Record<string, string>): Promise<ActionRun> =>
  runAction({
    inputs: {
      ...host.access,
      path: 'shop',
      repository: repository.url,
      ref,
      'install-command': 'none',
      'build-command': 'node build.js',
      'stable-for': '500ms',
      'health-timeout': '20s',
      ...inputs,
    },
  });
const served = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/version`)).text();

/** Somebody else's process in the same PM2, in a namespace of its own. */
async function startNeighbour(): Promise<void> {
  const home = path.join(host.directory, 'other');
  mkdirSync(home);
  writeFileSync(path.join(home, 'app.js'), 'setInterval(() => {}, 1e6)');
  await host.pm2(['start', 'app.js', '--name', 'neighbour', '--namespace', 'theirs'], home);
}

test(`a name and a script, no ecosystem file, no daemon: ${OLDEST.name}`, async () => {
  await set(OLDEST);
  const commit = (options: Omit<FixtureOptions, 'port'>): string => {
    const { 'ecosystem.config.js': _, ...files } = fixtureApp({ ...options, port });
    files['src/server.js'] = files['src/server.js']?.replace('process.env.PORT', `${port}`) ?? '';
    return repository.commit(files);
  };
  const inputs = { app: 'my shop', script: 'dist/server.js' };

  const first = await deploy(commit({ version: '1' }), inputs);
  expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await served()).toBe('1');
  await startNeighbour();
  const [neighbour] = await host.instances('neighbour');
  const [shop] = await host.instances('my shop');

  const load = startLoad({ url: `http://127.0.0.1:${port}/version`, connections: 5 });
  const sha = commit({ version: '2' });
  const second = await deploy(sha, inputs);
  const { failed, failures } = await load.stop();
  expect(second, second.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect({ failed, failures }).toEqual({ failed: 0, failures: {} });
  expect(await served()).toBe('2');
  const now = await host.instances('my shop');
  expect(now).toMatchObject([{ pmId: shop?.pmId, status: 'online' }]);
  expect(now[0]?.pid).not.toBe(shop?.pid);

  const again = await deploy(sha, inputs);
  expect(again, again.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  const broken = await deploy(commit({ version: '3', flaw: 'throws at boot' }), inputs);
  expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { sha } });
  expect(await served()).toBe('2');
  expect((await host.instances('neighbour'))[0]).toEqual(neighbour);
});

test(`two apps of a file with three, in an ES module project: ${MIDDLE.name}`, async () => {
  await set(MIDDLE);
  await startNeighbour();
  const [neighbour] = await host.instances('neighbour');
  const commit = (version: string): string => {
    const files = fixtureApp({ version, port });
    const worker = { script: 'worker.js', instances: 1, exec_mode: 'fork' };
    const apps = [
      { name: 'api', script: 'dist/server.cjs', instances: -1, exec_mode: 'cluster', env: { PORT: port } },
      { ...worker, name: 'my worker', namespace: 'jobs' },
      { ...worker, name: 'not chosen' },
    ];
    delete files['ecosystem.config.js'];
    return repository.commit({
      ...files,
      'package.json': '{ "name": "shop", "type": "module" }',
      'ecosystem.config.cjs': `module.exports = ${JSON.stringify({ apps })};`,
      'build.js': `import fs from 'node:fs';
fs.mkdirSync('dist', { recursive: true });
fs.copyFileSync('src/server.js', 'dist/server.cjs');
fs.copyFileSync('version.json', 'dist/version.json');`,
      'worker.js': 'import "node:fs"; setInterval(() => {}, 1e6); process.on("SIGINT", () => {});',
    });
  };
  for (const version of ['1', '2']) {
    const run = await deploy(commit(version), { app: 'api,my worker' });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(await served()).toBe(version);
    const killed = "'my worker': an old instance was still alive 1.6 s after PM2 told it to end";
    expect(run.stdout.includes(killed)).toBe(version === '2');
  }
  const all = await host.instances();
  expect(new Set(all.map(({ name }) => name))).toEqual(new Set(['neighbour', 'api', 'my worker']));
  expect(all.find(({ name }) => name === 'neighbour')).toEqual(neighbour);
});
