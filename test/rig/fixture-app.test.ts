import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, test } from 'vitest';
import { type FixtureOptions, type Flaw, fixtureApp } from './fixture-app.ts';
import { freePort } from './free-port.ts';
import { createHome, type Home } from './home.ts';
import { startLoad } from './load.ts';
import { RUNTIMES } from './pm2.ts';
import { createRepository, type Repository } from './repository.ts';

const remove: (() => void | Promise<void>)[] = [];
afterEach(async () => {
  for (const each of remove.splice(0).reverse()) await each();
});

function home(runtime = RUNTIMES[0]): Home {
  if (!runtime) throw new Error('no runtime');
  const made = createHome(runtime.node, `${runtime.pm2Root}/bin/pm2`);
  remove.push(() => made.remove());
  return made;
}

function repository(): Repository {
  const made = createRepository();
  remove.push(() => made.remove());
  return made;
}

/** Checks a version out and builds it in place, as a person on the server would. */
function place(repository: Repository, home: Home, options: FixtureOptions): string {
  const sha = repository.commit(fixtureApp(options));
  const live = path.join(home.directory, 'app');
  const git = (...args: string[]): void => {
    execFileSync('git', args, { env: home.env, stdio: 'ignore' });
  };
  git('init', '--quiet', live);
  git('-C', live, 'fetch', '--quiet', repository.url, sha);
  git('-C', live, 'checkout', '--quiet', '--force', '--detach', sha);
  execFileSync('node', ['build.js'], { cwd: live, env: home.env });
  return live;
}

test.each(RUNTIMES)('a reload of the app loses no request: $name', async (runtime) => {
  const host = home(runtime);
  const port = await freePort();
  const source = repository();
  const live = place(source, host, { version: 'v1', port });
  await host.pm2(['startOrReload', 'ecosystem.config.js'], live);
  expect(await host.instances('shop')).toMatchObject([{ status: 'online' }, { status: 'online' }]);

  const load = startLoad({ url: `http://127.0.0.1:${port}/version` });
  await load.sees('v1', 5_000);
  place(source, host, { version: 'v2', port });
  await host.pm2(['startOrReload', 'ecosystem.config.js'], live);
  await load.sees('v2', 5_000);
  const result = await load.stop();
  expect(result).toMatchObject({ failed: 0, failures: {} });
  expect(result.sent).toBeGreaterThan(100);
  expect(Object.keys(result.versions).sort()).toEqual(['v1', 'v2']);
});

test('npm ci and npm run build need no network', async () => {
  const host = home();
  const source = repository();
  const live = place(source, host, { version: 'v1', port: 1 });
  const npm = (...args: string[]): string =>
    execFileSync('npm', [...args, '--offline'], { cwd: live, env: host.env, encoding: 'utf8' });
  npm('ci');
  rmSync(path.join(live, 'dist'), { recursive: true });
  expect(npm('run', 'build')).toContain('built');
  expect(JSON.parse(readFileSync(path.join(live, 'dist/version.json'), 'utf8'))).toEqual({ version: 'v1' });
});

test.each<[Flaw, string]>([
  ['throws at boot', 'Error: version v2 cannot boot'],
  ['crashes after 3 s', 'Error: version v2 crashes after three seconds'],
])('a version that %s ends with its reason', async (flaw, reason) => {
  const host = home();
  const live = place(repository(), host, {
    version: 'v2',
    flaw,
    port: await freePort(),
    appPrints: ['hello'],
  });
  const env = { ...host.env, PORT: String(await freePort()) };
  const ended = spawnSync('node', ['dist/server.js'], { cwd: live, env, encoding: 'utf8', timeout: 10_000 });
  expect(ended.status).toBe(1);
  expect(ended.stderr).toContain(reason);
  expect(ended.stderr).toContain('hello');
});

test('a version whose build fails says why', async () => {
  const directory = mkdtempSync(path.join(tmpdir(), 'build-'));
  remove.push(() => rmSync(directory, { recursive: true }));
  const script = fixtureApp({ version: 'v2', flaw: 'build fails', port: 1, buildPrints: ['::debug::x'] })[
    'build.js'
  ];
  const ended = spawnSync('node', ['-e', script ?? ''], { cwd: directory, encoding: 'utf8' });
  expect(ended).toMatchObject({ status: 2, stdout: '::debug::x\n' });
  expect(ended.stderr).toContain('the build of this version is broken');
});
