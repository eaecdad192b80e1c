import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import type { Host } from '../rig/host.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createRepository } from '../rig/repository.ts';
import { createSite, type Site } from '../rig/site.ts';

/** A server as its owner deployed to it by hand until today: `git pull; npm ci; npm run build; pm2 start`. */
let site: Site;
let host: Host;
let live: string;
let first: string;

beforeEach(async () => {
  site = await createSite(NEWEST, {
    app: UNVISITED,
    inputs: { canary: 'off', 'stable-for': '500ms', 'health-timeout': '15s' },
  });
  ({ host, live } = site);
  first = site.commit({ version: '1' });
  const env = { ...host.env, GIT_CONFIG_NOSYSTEM: '1' };
  execFileSync('git', ['clone', '--quiet', site.repository.url, live], { env });
  execFileSync('npm', ['ci'], { cwd: live, env, stdio: 'pipe' });
  execFileSync('npm', ['run', 'build'], { cwd: live, env, stdio: 'pipe' });
  mkdirSync(path.join(live, 'uploads'));
  writeFileSync(path.join(live, 'uploads', 'cat.jpg'), 'bytes');
  await host.pm2(['start', 'ecosystem.config.js'], live);
});
afterEach(() => site?.stop());

/** The checkout's own origin is the repository, and its lockfile says how to build it. */
const deploy = (inputs: Record<string, string>): Promise<ActionRun> =>
  site.deploy({ path: live, repository: '', 'install-command': '', 'build-command': '', ...inputs });

test('a checkout that was deployed by hand is taken over, and its next version goes live', async () => {
  const sha = site.commit({ version: '2' });
  const run = await deploy({ ref: sha });
  expect(run, run.stdout).toMatchObject({
    code: 0,
    outputs: { outcome: 'deployed', sha, 'previous-sha': first },
  });
  expect(run.stdout).toContain('Taken as output of earlier builds');
  expect(await site.served()).toBe('2');
  expect(readFileSync(path.join(live, 'uploads', 'cat.jpg'), 'utf8')).toBe('bytes');
  const head = execFileSync('git', ['rev-parse', 'HEAD', 'main'], { cwd: live, encoding: 'utf8' })
    .trim()
    .split('\n');
  expect(head).toEqual([sha, first]);
  expect(execFileSync('git', ['status', '--porcelain'], { cwd: live, encoding: 'utf8' })).toBe('');
});

test('a first deploy that breaks goes back to what ran by hand, branch and all', async () => {
  const sum = host.checksum(live, { except: ['.git'] });
  const run = await deploy({ ref: site.commit({ version: 'bad', flaw: 'throws at boot' }) });
  expect(run, run.stdout).toMatchObject({
    code: 1,
    outputs: { outcome: 'rolled-back', sha: first, 'previous-sha': first },
  });
  expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
  expect(await site.served()).toBe('1');
  const branch = execFileSync('git', ['symbolic-ref', 'HEAD'], { cwd: live, encoding: 'utf8' }).trim();
  expect(branch).toBe('refs/heads/main');
  expect(execFileSync('git', ['status', '--porcelain'], { cwd: live, encoding: 'utf8' })).toBe('');
});

test('what no deploy made is never replaced: the deploy fails and names it', async () => {
  writeFileSync(path.join(live, 'robots.txt'), 'made by hand');
  const files = { ...site.files({ version: '2' }), 'robots.txt': 'of the commit' };
  const run = await deploy({ ref: site.commit({ files }) });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: first } });
  expect(run.stdout).toContain('robots.txt');
  expect(readFileSync(path.join(live, 'robots.txt'), 'utf8')).toBe('made by hand');
  expect(await site.served()).toBe('1');
});

test("an app of the same name that runs from elsewhere is somebody else's", async () => {
  const run = await site.deploy({
    path: path.join(host.directory, 'stg'),
    repository: site.repository.url,
    ref: site.commit({ version: '2' }),
  });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain(`PM2 runs an app named 'shop' from ${live}`);
  expect(await site.served()).toBe('1');
});

test('two deploys at once: the second waits for the first, and both end well', async () => {
  const one = site.commit({ version: '2' });
  const two = site.commit({ version: '3' });
  const runs = await Promise.all([deploy({ ref: one }), deploy({ ref: two })]);
  for (const run of runs)
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(runs.some((run) => run.stdout.includes('Waiting for the lock'))).toBe(true);
  expect(['2', '3']).toContain(await site.served());
  expect(await host.instances('shop')).toHaveLength(2);
});

test('a deploy that finds generated files gone makes them anew', async () => {
  const sha = site.commit({ version: '2' });
  await deploy({ ref: sha });
  rmSync(path.join(live, 'dist'), { recursive: true });
  const run = await deploy({ ref: sha });
  expect(run, run.stdout).toMatchObject({
    code: 0,
    outputs: { outcome: 'deployed', sha, 'previous-sha': sha },
  });
  expect(existsSync(path.join(live, 'dist', 'server.js'))).toBe(true);
});

test('a checkout with a submodule is taken over, and its next version brings the submodule along', async () => {
  const library = createRepository();
  const env = { ...host.env, GIT_CONFIG_NOSYSTEM: '1' };
  const git = (cwd: string, ...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=Rig', '-c', 'user.email=rig@example.com', ...args], {
      cwd,
      env,
      encoding: 'utf8',
    });
  writeFileSync(path.join(host.directory, '.gitconfig'), '[protocol "file"]\n\tallow = always\n');
  library.commit({ 'lib.js': 'one' });
  const work = path.join(host.directory, 'work');
  git(host.directory, 'clone', '--quiet', site.repository.url, work);
  git(work, 'submodule', '--quiet', 'add', library.url, 'vendor/lib');
  git(work, 'commit', '--quiet', '--message', 'Add a library');
  git(work, 'push', '--quiet');
  git(live, 'pull', '--quiet');
  git(live, 'submodule', '--quiet', 'update', '--init');
  library.commit({ 'lib.js': 'two', 'more.js': 'new' });
  git(path.join(work, 'vendor/lib'), 'pull', '--quiet', 'origin', 'main');
  git(work, 'commit', '--quiet', '--all', '--message', 'Update the library');
  git(work, 'push', '--quiet');

  const sha = git(work, 'rev-parse', 'HEAD').trim();
  const run = await deploy({ ref: sha });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
  expect(readFileSync(path.join(live, 'vendor/lib/lib.js'), 'utf8')).toBe('two');
  expect(readFileSync(path.join(live, 'vendor/lib/more.js'), 'utf8')).toBe('new');
  expect(git(live, 'status', '--porcelain', '--ignore-submodules=all')).toBe('');
  library.remove();
});
