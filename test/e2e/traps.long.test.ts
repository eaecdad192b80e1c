import { readFileSync, readlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import { createHost, type Host } from '../rig/host.ts';
import { ofProcess, processesOf } from '../rig/leftovers.ts';
import { createSite, type Site } from '../rig/site.ts';

/** Ways in which simpler designs broke; each test has an app of its own on one host. */
let host: Host;

beforeAll(async () => {
  host = await createHost();
});
afterAll(async () => {
  await host?.stop();
});

const site = (name: string): Promise<Site> =>
  createSite(host, {
    app: { name, ...UNVISITED },
    inputs: { canary: 'off', 'stable-for': '500ms', 'health-timeout': '5s' },
  });
const deploy = (
  app: Site,
  files: Record<string, string>,
  inputs: Record<string, string> = {},
): Promise<ActionRun> => app.deploy({ ref: app.commit({ files }), ...inputs });

const deployed = { code: 0, outputs: { outcome: 'deployed' } };
const failed = { code: 1, outputs: { outcome: 'failed' } };
const rolledBack = { code: 1, outputs: { outcome: 'rolled-back' } };

test('a build that ends well and has made nothing is noticed before anything is touched', async () => {
  await using app = await site('empty-build');
  expect(await deploy(app, app.files({ version: '1' }))).toMatchObject(deployed);
  const pids = await host.pids('empty-build');
  const run = await deploy(app, { ...app.files({ version: '2' }), 'build.js': '' });
  expect(run, run.stdout).toMatchObject(failed);
  expect(run.stdout).toContain('The build made no dist/server.js');
  expect(await host.pids('empty-build')).toEqual(pids);
  expect(await app.served()).toBe('1');
});

test('a path into staging that the build wrote down fails before the version is believed', async () => {
  await using app = await site('baked-path');
  expect(await deploy(app, app.files({ version: '1' }))).toMatchObject(deployed);
  const files = app.files({ version: '2' });
  files['build.js'] +=
    `fs.appendFileSync('dist/server.js', 'require(' + JSON.stringify(__dirname + '/version.json') + ')');\n`;
  const run = await deploy(app, files);
  expect(run, run.stdout).toMatchObject(rolledBack);
  expect(await app.served()).toBe('1');
});

test('a tracked file that the build rewrites reaches live, and is no local change to the next deploy', async () => {
  await using app = await site('stamped');
  const stamped = (version: string): Record<string, string> => {
    const files = app.files({ version });
    files['build.js'] += `fs.writeFileSync('stamp.txt', 'built ${version}');\n`;
    return { ...files, 'stamp.txt': 'as committed' };
  };
  expect(await deploy(app, stamped('1'))).toMatchObject(deployed);
  expect(readFileSync(path.join(app.live, 'stamp.txt'), 'utf8')).toBe('built 1');
  const run = await deploy(app, stamped('2'));
  expect(run, run.stdout).toMatchObject(deployed);
  expect(readFileSync(path.join(app.live, 'stamp.txt'), 'utf8')).toBe('built 2');
});

test('a build output that becomes tracked comes back as it was when that version is rolled back', async () => {
  await using app = await site('tracked-dist');
  expect(await deploy(app, app.files({ version: '1' }))).toMatchObject(deployed);
  const sum = host.checksum(app.live, { except: ['.git'] });
  const files = {
    ...app.files({ version: '2' }),
    '.gitignore': 'node_modules\n.env\n',
    'dist/server.js': 'throw new Error("no");',
    'build.js': '',
  };
  const run = await deploy(app, files, { 'build-command': 'none' });
  expect(run, run.stdout).toMatchObject(rolledBack);
  expect(host.checksum(app.live, { except: ['.git'] })).toBe(sum);
  const good = {
    ...files,
    'dist/server.js': app.files({ version: '3' })['src/server.js'] as string,
    'dist/version.json': '{"version":"3"}',
  };
  expect(await deploy(app, good, { 'build-command': 'none' })).toMatchObject(deployed);
  expect(await app.served()).toBe('3');
  expect(await deploy(app, app.files({ version: '4' }))).toMatchObject(deployed);
  expect(await app.served()).toBe('4');
});

test('a build that makes a database where the app has one does not exchange it', async () => {
  await using app = await site('database');
  expect(await deploy(app, app.files({ version: '1' }))).toMatchObject(deployed);
  const database = Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.from('orders of ten years')]);
  writeFileSync(path.join(app.live, 'prod.db'), database);
  const files = app.files({ version: '2' });
  files['build.js'] += `fs.writeFileSync('prod.db', 'SQLite format 3\\0');\n`;
  const run = await deploy(app, files);
  expect(run, run.stdout).toMatchObject(failed);
  expect(run.stdout).toContain('prod.db');
  expect(readFileSync(path.join(app.live, 'prod.db'))).toEqual(database);
});

test('what a build leaves running neither outlives it nor holds the lock', async () => {
  await using app = await site('background');
  const run = await deploy(app, app.files({ version: '1' }), {
    'build-command': 'node build.js\nsleep 345 &\n',
  });
  expect(run, run.stdout).toMatchObject(deployed);
  const commands = processesOf(host.directory).map((pid) => ofProcess(pid, 'cmdline'));
  expect(commands.filter((command) => command.startsWith('sleep'))).toEqual([]);
});

test('an app in a subdirectory keeps its working directory, which no rename takes away under it', async () => {
  await using app = await site('monorepo');
  const below = (version: string): Record<string, string> =>
    Object.fromEntries(
      Object.entries(app.files({ version })).map(([name, text]) => [`apps/web/${name}`, text]),
    );
  const inputs = { 'working-directory': 'apps/web' };
  const first = await deploy(app, below('1'), inputs);
  expect(first, first.stdout).toMatchObject(deployed);
  const second = await deploy(app, below('2'), inputs);
  expect(second, second.stdout).toMatchObject(deployed);
  expect(await app.served()).toBe('2');
  for (const pid of await host.pids('monorepo')) {
    expect(readlinkSync(`/proc/${pid}/cwd`)).toBe(path.join(app.live, 'apps/web'));
  }
});

test('a settings file that the ecosystem file needs and git does not know is read as it is in live', async () => {
  await using app = await site('dotenv');
  const files = app.files({ version: '1' });
  files['ecosystem.config.js'] =
    `require('fs').readFileSync(__dirname + '/.env');\n${files['ecosystem.config.js']}`;
  const without = await deploy(app, files);
  expect(without, without.stdout).toMatchObject(failed);
  expect(without.stdout).toContain('ecosystem.config.js');
  writeFileSync(path.join(app.live, '.env'), 'A=1\n', { mode: 0o600 });
  const run = await deploy(app, files);
  expect(run, run.stdout).toMatchObject(deployed);
  expect(readFileSync(path.join(app.live, '.env'), 'utf8')).toBe('A=1\n');
});
