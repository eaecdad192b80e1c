import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { freePort } from '../rig/free-port.ts';
import { hostProgramOf } from '../rig/leftovers.ts';
import { startLoad } from '../rig/load.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

const WORKER = `setInterval(() => {}, 1000);
require('fs').appendFileSync(process.env.STARTS, 'started\\n');
`;

/** Gets a line each time that the ecosystem file is read. */
const reads = (starts: string): string => `${starts}-reads`;

/** A cluster app, one in fork mode that npm starts, and a worker that listens nowhere: each boot of it leaves a line. */
function ecosystem(site: Site, npmPort: number, starts: string): string {
  const web = site
    .files({ version: '' })
    ['ecosystem.config.js']?.replace('module.exports = { apps: [', '')
    .replace(/\] };\n$/, '');
  return `require('fs').appendFileSync(${JSON.stringify(reads(starts))}, 'read\\n');
module.exports = { apps: [${web},
  { name: 'admin', script: 'npm', args: 'run serve', env: { PORT: ${npmPort} } },
  { name: 'worker', script: 'worker.js', env: { STARTS: ${JSON.stringify(starts)} } }] };\n`;
}

let site: Site;
let npmPort: number;
let starts: string;
let good: string;

function version(name: string, changes: Record<string, string> = {}): string {
  const files = site.files({ version: name });
  const manifest = JSON.parse(files['package.json'] ?? '') as { scripts: Record<string, string> };
  manifest.scripts.serve = 'node dist/server.js';
  Object.assign(files, {
    'package.json': JSON.stringify(manifest),
    'worker.js': WORKER,
    'ecosystem.config.js': ecosystem(site, npmPort, starts),
    ...changes,
  });
  return site.commit({ files });
}

const lines = (file: string): number => readFileSync(file, 'utf8').trim().split('\n').length;
const boots = (): number => lines(starts);
const names = async (): Promise<string[]> => (await site.host.instances()).map(({ name }) => name).sort();
const ALL = ['admin', 'shop', 'shop', 'worker'];

beforeAll(async () => {
  site = await createSite(NEWEST, { app: { settings: { kill_timeout: 9000 } } });
  npmPort = await freePort();
  starts = path.join(site.host.directory, 'starts');
  const run = await site.deploy({ ref: version('1') });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  mkdirSync(path.join(site.live, 'uploads'));
  writeFileSync(path.join(site.live, 'uploads', 'a.txt'), 'of a visitor');
  writeFileSync(path.join(site.live, '.env'), 'SECRET=1\n');
});
afterAll(() => site?.stop());

test('several apps at once, in cluster mode and through npm; a worker has none, and one line says so', async () => {
  good = version('2');
  const before = boots();
  const run = await site.deploy({ ref: good });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: good } });
  expect(run.stdout).toContain("No canary for 'worker': it listened nowhere before");
  expect(run.stdout).not.toContain("No canary for 'admin'");
  expect(boots()).toBe(before + 1);
  expect(await names()).toEqual(ALL);
});

test('two apps, one of them broken: none is touched', async () => {
  const pids = await site.host.pids();
  const readBefore = lines(reads(starts));
  const broken = version('3', {
    'ecosystem.config.js': ecosystem(site, npmPort, starts).replace("'run serve'", "'run no-such-script'"),
  });
  const run = await site.deploy({ ref: broken });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: good } });
  expect(run.stdout).toContain("'admin (canary)' has ended");
  expect(run.stdout).toMatch(/Missing script: "?no-such-script/);
  expect(await site.host.pids()).toEqual(pids);
  expect(lines(reads(starts))).toBe(readBefore + 2);
});

test('the canary sees what the live app sees, its writes to it stay, and what it wrote beside it is gone', async () => {
  const server = site.files({ version: '4' })['src/server.js'];
  const looks = `const fs = require('fs');
if (process.env.PM2_SSH_DEPLOY_CANARY) {
  fs.appendFileSync('uploads/a.txt', ' and of instance ' + process.env.NODE_APP_INSTANCE);
  fs.writeFileSync('dist/scratch', fs.readFileSync('.env'));
  process.on('exit', () => fs.writeFileSync('uploads/ended', String(Date.now())));
}\n`;
  const readBefore = lines(reads(starts));
  const run = await site.deploy({ ref: version('4', { 'src/server.js': looks + server }) });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(readFileSync(path.join(site.live, 'uploads', 'a.txt'), 'utf8')).toMatch(
    /^of a visitor and of instance [12] and of instance [12]$/,
  );
  expect(existsSync(path.join(site.live, 'dist', 'scratch'))).toBe(false);
  // The ecosystem file is the one that was read for the live version: it is read after the build alone.
  expect(lines(reads(starts))).toBe(readBefore + 1);
  expect(readFileSync(path.join(site.live, '.env'), 'utf8')).toBe('SECRET=1\n');
  // It takes the second that it asks for to stop, and not the nine of its kill_timeout; the swap comes right after that.
  const ended = Number(readFileSync(path.join(site.live, 'uploads', 'ended'), 'utf8'));
  expect(statSync(path.join(site.live, 'dist')).ctimeMs - ended).toBeLessThan(6_000);
});

test('an app that boots longer than listen_timeout: PM2 is given more time, and no request is lost', async () => {
  const server = site.files({ version: '5' })['src/server.js'] ?? '';
  const slow = server.replace(
    /server\.listen\(.*\);/,
    (call) => `setTimeout(() => ${call.slice(0, -1)}, 5000);`,
  );
  expect(slow).not.toBe(server);
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version` });
  await load.sees('4', 10_000);
  const run = await site.deploy({ ref: version('5', { 'src/server.js': slow }), app: 'shop' });
  const { failures } = await load.stop();
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(run.stdout).toMatch(
    /'shop': it took \d+\.\d s to boot, but PM2 stops the old instance after 3\.0 s .*Set "listen_timeout: \d+000"/,
  );
  expect(failures).toEqual({});
});

test('cancelled in its canary, a deploy leaves nothing of it; nor does one whose program was killed, after the next', async () => {
  good = (await site.deploy({ ref: version('6'), app: 'shop', canary: 'off' })).outputs.sha ?? '';
  const inputs = { app: 'shop', 'stable-for': '30s', 'health-timeout': '60s', ref: version('7') };
  const isThere = async (): Promise<boolean> =>
    (await names()).some((name) => name.startsWith('shop-canary-'));

  const cancelled = site.start(inputs);
  await expect.poll(isThere).toBe(true);
  cancelled.process.kill('SIGINT');
  const run = await cancelled.done;
  expect(run.stdout).toContain('Cancelled before the new version went live');
  await expect.poll(names).toEqual(ALL);

  const killed = site.start(inputs);
  await expect.poll(isThere).toBe(true);
  process.kill(hostProgramOf(site.host.directory), 'SIGKILL');
  await killed.done;
  expect(await site.served()).toBe('6');
  const next = await site.deploy({ ref: good, app: 'shop' });
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  expect(await names()).toEqual(ALL);
});

test('required: the worker has one too, and what cannot have one is refused', async () => {
  const before = boots();
  const run = await site.deploy({ ref: version('8'), app: 'worker', canary: 'required' });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(boots()).toBe(before + 2);
  const other = ecosystem(site, npmPort, starts).replace(
    "script: 'worker.js'",
    "script: 'worker.js', interpreter: 'python3'",
  );
  const refused = await site.deploy({
    ref: version('9', { 'ecosystem.config.js': other }),
    app: 'worker',
    canary: 'required',
  });
  expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(refused.stdout).toContain("'worker' can have no canary: Node does not start it");
});

test("PM2's dump never has a canary in it", () => {
  const dump = readFileSync(path.join(site.host.pm2Home, 'dump.pm2'), 'utf8');
  expect(dump).not.toContain('-canary-');
  expect(
    execFileSync('stat', ['-c', '%a', path.join(site.host.pm2Home, 'dump.pm2')], { encoding: 'utf8' }),
  ).toBe('600\n');
});
