import { execFileSync } from 'node:child_process';
import {
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { startByHand } from '../rig/by-hand.ts';
import { type Flaw, UNVISITED } from '../rig/fixture-app.ts';
import { hostProgramOf } from '../rig/leftovers.ts';
import { startLoad } from '../rig/load.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
let first: string;
beforeAll(async () => {
  site = await createSite(NEWEST, {
    app: { settings: { listen_timeout: 1500, kill_timeout: 1600 } },
    inputs: { layout: 'releases', shared: 'media', 'keep-releases': '1', 'keep-assets': 'public/build' },
  });
  first = commit('1');
  await startByHand(site, first, ['start', 'ecosystem.config.js']);
});
afterAll(() => site?.stop());

const commit = (version: string, flaw?: Flaw): string =>
  site.commit({
    version,
    ...(flaw && { flaw }),
    moreFiles: { 'media/.gitkeep': '', [`public/build/${version.replaceAll(' ', '-')}.js`]: '' },
  });
const at = (...names: string[]): string => path.join(site.live, ...names);
const current = (): string => path.basename(readlinkSync(at('current')));
const releases = (): string[] => readdirSync(at('releases'));
/** Where the app's processes stand. */
async function directories(app = 'shop'): Promise<string[]> {
  const pids = (await site.host.instances(app)).map(({ pid }) => pid);
  return [...new Set(pids.map((pid) => realpathSync(`/proc/${pid}/cwd`)))];
}

async function underLoad(deploy: () => Promise<ActionRun>, from: string, to: string): Promise<ActionRun> {
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 10 });
  await load.sees(from, 10_000);
  const run = await deploy();
  await load.sees(to, 5_000).catch(() => {});
  const { failures, sent } = await load.stop();
  expect(failures, run.stdout).toEqual({});
  expect(sent).toBeGreaterThan(100);
  return run;
}

test('a first release that fails leaves the checkout as it was', async () => {
  const except = ['.git', 'releases', 'shared'];
  const sum = site.host.checksum(site.live, { except });
  const run = await site.deploy({ ref: commit('broken', 'throws at boot'), canary: 'off' });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: first } });
  expect(site.host.checksum(site.live, { except })).toBe(sum);
  expect(await site.served()).toBe('1');
  expect(await directories()).toEqual([site.live]);
});

test('a shared name that no directory can be, and one that takes an env file from its version', async () => {
  const missing = await site.deploy({ ref: first, shared: 'media, config/app.json' });
  expect(missing, missing.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(missing.stdout).toContain('shared names config/app.json, and neither the server nor the commit');
  const taken = { shared: 'src', 'env-file': 'A=1', 'env-file-path': 'src/.env' };
  const lost = await site.deploy({ ref: first, ...taken });
  expect(lost, lost.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(lost.stdout).toContain('The env file src/.env lies in src, which is shared by all versions.');
});

test('a checkout that was deployed in place is taken over with no request lost', async () => {
  writeFileSync(at('.env'), 'SECRET_WORD=correct-horse-battery\n', { mode: 0o600 });
  writeFileSync(at('notes.txt'), 'kept by hand');
  writeFileSync(at('media/photo.jpg'), 'bytes');
  const sha = commit('2');
  const run = await underLoad(() => site.deploy({ ref: sha }), '1', '2');
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', 'previous-sha': first } });
  expect(run.stdout).toMatch(/Moved to \S+\/shared, with links in their places: .*\.env.*/);

  expect(readdirSync(at('shared')).sort()).toEqual(['.env', 'media', 'notes.txt']);
  expect(readFileSync(at('shared/media/photo.jpg'), 'utf8')).toBe('bytes');
  expect(lstatSync(at('shared/.env')).mode & 0o777).toBe(0o600);
  for (const name of ['.env', 'media', 'notes.txt']) {
    expect(lstatSync(at(name)).isSymbolicLink()).toBe(true);
    expect(realpathSync(at('current', name))).toBe(at('shared', name));
  }
  // The host program removes what is no longer needed after it has reported.
  await expect.poll(releases).toEqual([current()]);
  expect(await directories()).toEqual([at('releases', current())]);
  // What the old version ran from is still there.
  expect(existsSync(at('dist/server.js'))).toBe(true);

  const again = await site.deploy({ ref: sha });
  expect(again, again.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  const check = await site.deploy({ ref: sha, mode: 'check' });
  expect(check, check.stdout).toMatchObject({ code: 0 });
});

test('the next version, and back to the one before', async () => {
  const before = current();
  const third = await underLoad(() => site.deploy({ ref: commit('3') }), '2', '3');
  expect(third, third.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  await expect.poll(() => releases().sort()).toEqual([before, current()].sort());

  const back = await underLoad(() => site.deploy({ mode: 'rollback' }), '3', '2');
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(back.stdout).toContain('needs no fetch, no install and no build');
  expect(current()).toBe(before);
  expect(await directories()).toEqual([at('releases', before)]);
  expect(readdirSync(at('current/public/build'))).toContain('3.js');
  expect(realpathSync(at('current/notes.txt'))).toBe(at('shared/notes.txt'));
});

test('a host program that is killed: the same job ends what it began, and the next version is as ever', async () => {
  const before = current();
  const killedIn = async (state: string, sign: RegExp, flaw?: Flaw): Promise<ActionRun> => {
    const action = site.start({
      ref: commit(`killed in ${state}`, flaw),
      canary: 'off',
      'health-timeout': '5s',
      // Long enough to be killed in it.
      'stable-for': '3s',
    });
    await action.says(sign);
    process.kill(hostProgramOf(site.host.directory), 'SIGKILL');
    return action.done;
  };
  const back = await killedIn('activating', /Applying action/, 'never listens');
  expect(back, back.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expect(current()).toBe(before);
  expect(await site.served()).toBe('2');

  writeFileSync(at('current/made-by-the-app.txt'), 'while version 2 was live');
  const done = await killedIn('verifying', /\] verifying/);
  expect(done, done.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await site.served()).toBe('killed in verifying');
  expect(realpathSync(at('current/made-by-the-app.txt'))).toBe(at('shared/made-by-the-app.txt'));
  expect(await directories()).toEqual([at('releases', current())]);
});

test('keep-releases counts good versions, and with env-file each has its own', async () => {
  const run = await site.deploy({
    ref: commit('5'),
    'env-file': 'VERSION_WORD=number-5',
    shared: 'media, .env',
  });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(readFileSync(at('current/.env'), 'utf8')).toBe('VERSION_WORD=number-5');
  expect(readFileSync(at('shared/.env'), 'utf8')).toBe('SECRET_WORD=correct-horse-battery\n');
  await expect.poll(releases).toHaveLength(2);

  const inPlace = await site.deploy({ ref: first, layout: 'in-place', shared: '' });
  expect(inPlace, inPlace.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(inPlace.stdout).toContain('is laid out in releases, and layout is in-place.');
  await site.host.pm2(['kill']);
  await site.host.pm2(['resurrect']);
  await expect.poll(() => site.served().catch(() => null)).toBe('5');
});

test('a new server, from git and then by an upload: a prepared env file, a directory and a database that last', async () => {
  await using blog = await createSite(site.host, {
    app: { name: 'blog', ...UNVISITED },
    inputs: { layout: 'releases', shared: 'uploads' },
  });
  const shared = (name: string): string => path.join(blog.live, 'shared', name);
  mkdirSync(shared(''), { recursive: true });
  writeFileSync(shared('.env'), 'BLOG_WORD=prepared-by-hand\n');
  const first = blog.commit({ version: '1' });
  const run = await blog.deploy({
    ref: first,
    'build-command': 'node build.js && cp .env dist/seen',
    'migrate-command': "printf 'SQLite format 3\\0 and more' > app.db",
  });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await blog.served()).toBe('1');
  const live = path.join(blog.live, 'current');
  expect(readFileSync(path.join(live, 'dist/seen'), 'utf8')).toBe('BLOG_WORD=prepared-by-hand\n');

  writeFileSync(path.join(live, 'late.db'), 'SQLite format 3\0 and rows');
  const database = realpathSync(path.join(live, 'late.db'));
  const workspace = mkdtempSync(path.join(tmpdir(), 'releases-'));
  for (const [name, content] of Object.entries(blog.files({ version: '2' }))) {
    mkdirSync(path.dirname(path.join(workspace, name)), { recursive: true });
    writeFileSync(path.join(workspace, name), content);
  }
  execFileSync('node', ['build.js'], { cwd: workspace });
  const sent = await blog.deploy(
    { source: 'upload', repository: '', 'build-command': '' },
    { env: { GITHUB_WORKSPACE: workspace, GITHUB_SHA: 'a'.repeat(40) } },
  );
  expect(sent, sent.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await blog.served()).toBe('2');
  for (const name of ['uploads', '.env', 'app.db'])
    expect(realpathSync(path.join(live, name))).toBe(shared(name));
  rmSync(workspace, { recursive: true });

  // What somebody checks out in path changes no version that runs.
  execFileSync('git', ['checkout', '--quiet', '--force', '--orphan', 'by-hand'], { cwd: blog.live });
  execFileSync('git', ['rm', '-r', '--quiet', '--cached', '.'], { cwd: blog.live });
  const three = await blog.deploy({ ref: blog.commit({ version: '3' }) });
  expect(three, three.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  const back = await blog.deploy({ mode: 'rollback' });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  const bad = { canary: 'off', 'health-url': '/missing', 'health-timeout': '2s' };
  const unhealthy = await blog.deploy({ mode: 'rollback', ...bad });
  expect(unhealthy, unhealthy.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expect(await blog.served()).toBe('2');
  expect(realpathSync(path.join(live, 'late.db'))).toBe(database);
  const one = await blog.deploy({ ref: first });
  expect(one, one.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await blog.served()).toBe('1');
  expect(realpathSync(path.join(live, 'late.db'))).toBe(database);
});

test('an app in fork mode, without shutdown code, in a working directory: no request is lost', async () => {
  await using api = await createSite(site.host, {
    app: { name: 'api', shutdown: 'none', settings: { exec_mode: 'fork', instances: 1, wait_ready: false } },
    inputs: { layout: 'releases', 'working-directory': 'apps/api', shared: 'uploads' },
  });
  const commitBelow = (version: string): string => {
    const files = Object.entries(api.files({ version })).map(([name, text]) => [`apps/api/${name}`, text]);
    return api.commit({ files: Object.fromEntries(files) });
  };
  const one = await api.deploy({ ref: commitBelow('1') });
  expect(one, one.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  const load = startLoad({ url: `http://127.0.0.1:${api.port}/version`, connections: 10 });
  await load.sees('1', 10_000);
  const two = await api.deploy({ ref: commitBelow('2') });
  await load.sees('2', 10_000);
  const { failures } = await load.stop();
  expect(two, two.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(failures, two.stdout).toEqual({});
  expect(realpathSync(path.join(api.live, 'current/apps/api/uploads'))).toBe(
    path.join(api.live, 'shared/apps/api/uploads'),
  );
});

test('an app that names directories: each version runs in its own, and one that runs in another is not healthy', async () => {
  await using bot = await createSite(site.host, {
    app: { name: 'bot', ...UNVISITED, settings: { ...UNVISITED.settings, exec_mode: 'fork', instances: 1 } },
    inputs: { layout: 'releases' },
  });
  const release = (): string => realpathSync(path.join(bot.live, 'current'));
  const commitWith = (version: string, changes: Record<string, string>): string =>
    bot.commit({ files: { ...bot.files({ version }), ...changes } });
  const server = bot.files({ version: '1' })['src/server.js'];
  const ecosystem = bot.files({ version: '1', settings: { cwd: bot.live } })['ecosystem.config.js'] ?? '';
  const named = { 'ecosystem.config.js': ecosystem };

  await startByHand(bot, commitWith('1', named), ['start', 'ecosystem.config.js']);
  const two = await bot.deploy({ ref: commitWith('2', named) });
  expect(two, two.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await bot.served()).toBe('2');
  expect(await directories('bot')).toEqual([release()]);

  const old = JSON.stringify(release());
  const stale = { 'src/server.js': `process.chdir(${old});\nrequire(${old} + '/dist/server.js');\n` };
  const third = { ref: commitWith('3', { ...named, ...stale }), 'health-timeout': '3s' };
  const tried = await bot.deploy(third);
  expect(tried, tried.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  const back = await bot.deploy({ ...third, canary: 'off' });
  expect(back, back.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  for (const { stdout } of [tried, back])
    expect(stdout).toContain(`runs in ${release()}, which is not the directory of this version`);

  await bot.host.pm2(['kill']);
  await bot.host.pm2(['resurrect']);
  await expect.poll(() => bot.served().catch(() => null)).toBe('2');
  expect(await directories('bot')).toEqual([release()]);

  // PM2 notes the real path of what is started by hand.
  await bot.host.pm2(['delete', 'bot']);
  await bot.host.pm2(['start', 'ecosystem.config.js'], path.join(bot.live, 'current'));
  const wanders = { 'src/server.js': `process.chdir('/');\n${server}` };
  const four = await bot.deploy({ ref: commitWith('4', wanders) });
  expect(four, four.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await bot.served()).toBe('4');
  expect(await directories('bot')).toEqual(['/']);
});
