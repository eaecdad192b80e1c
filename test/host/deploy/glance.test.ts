import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, expect, test, vi } from 'vitest';
import { glance } from '../../../src/host/deploy/glance.ts';
import { somePlan } from '../../rig/plan.ts';
import { type PrivatePm2, startPm2 } from '../../rig/pm2.ts';

afterEach(() => vi.unstubAllEnvs());

/** The server's environment, in which nothing says where PM2's command is. */
function without(pm2: string): void {
  vi.stubEnv('PATH', '/usr/local/bin:/usr/bin:/bin');
  vi.stubEnv('PM2_HOME', pm2);
}

async function site(pm2: PrivatePm2): Promise<{ live: string; sha: string }> {
  const live = join(pm2.home, 'app');
  mkdirSync(live);
  writeFileSync(join(live, 'app.js'), "require('net').createServer().listen(0)");
  const git = (...args: string[]): string => execFileSync('git', args, { cwd: live, encoding: 'utf8' });
  git('init', '--quiet');
  git('add', '.');
  git('-c', 'user.name=a', '-c', 'user.email=a@b', 'commit', '--quiet', '-m', 'one');
  const started = await pm2.run(['start', 'app.js', '-i', '2'], { cwd: live });
  expect(started, started.tail.join('\n')).toMatchObject({ code: 0 });
  return { live, sha: git('rev-parse', 'HEAD').trim() };
}

test("without PM2's command, the commit and the instances of a healthy app are seen all the same", async () => {
  await using pm2 = await startPm2();
  const { live, sha } = await site(pm2);
  without(pm2.home);
  expect(await glance(somePlan({ path: live }))).toMatchObject({
    sha,
    previousSha: sha,
    instances: 2,
    outdated: [],
  });

  const daemon = Number(readFileSync(join(pm2.home, 'pm2.pid'), 'utf8'));
  process.kill(daemon, 'SIGSTOP');
  const mute = await glance(somePlan({ path: live }));
  process.kill(daemon, 'SIGCONT');
  expect(mute, 'a daemon that does not answer').toMatchObject({
    sha,
    previousSha: sha,
    instances: null,
    outdated: [],
  });
});

test('with layout releases, the commit is the one of the release that runs', async () => {
  const home = mkdtempSync(join(tmpdir(), 'glance-'));
  without(home);
  const top = join(home, 'app');
  const release = join(top, 'releases/one');
  const git = (...args: string[]): string => execFileSync('git', args, { encoding: 'utf8' }).trim();
  const commit = (directory: string): string => {
    const by = ['-c', 'user.name=a', '-c', 'user.email=a@b'];
    git('-C', directory, ...by, 'commit', '--quiet', '--allow-empty', '-m', 'one');
    return git('-C', directory, 'rev-parse', 'HEAD');
  };
  git('init', '--quiet', top);
  const sha = commit(top);
  git('clone', '--quiet', top, release);
  symlinkSync('releases/one', join(top, 'current'));
  commit(top);
  const plan = somePlan({ path: top, layout: { kind: 'releases', shared: [] } });
  expect(await glance(plan)).toMatchObject({ sha, previousSha: sha });
  rmSync(home, { recursive: true });
});

test('where nothing was ever deployed and no daemon runs, there is no commit and no instance', async () => {
  const empty = mkdtempSync(join(tmpdir(), 'glance-'));
  without(empty);
  expect(await glance(somePlan({ path: join(empty, 'app') }))).toMatchObject({
    sha: null,
    previousSha: null,
    instances: 0,
    outdated: [],
  });
  rmSync(empty, { recursive: true });
});
