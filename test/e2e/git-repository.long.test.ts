import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runAction } from '../rig/action.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import { atRest } from '../rig/leftovers.ts';
import { createRepository, type Repository } from '../rig/repository.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
let sha256: Repository;

beforeAll(async () => {
  site = await createSite();
  sha256 = createRepository('sha256');
});
afterAll(async () => {
  await site?.stop();
  sha256?.remove();
});

/** What a deploy makes outside of `path`: its state directory, and what lies beside. */
const leftOf = (name: string): string[] =>
  readdirSync(site.host.directory, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.includes(name),
  );

test.each(['rollback', 'status'])(
  'a %s of a mistyped path says so, and leaves nothing there',
  async (mode) => {
    const run = await site.deploy({ mode, path: 'shpo' });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(run.stdout).toContain(`Nothing was ever deployed to path 'shpo'`);
    expect(run.stdout).toContain('Check path for a typing error');
    await atRest(site.host.directory);
    expect(leftOf('shpo')).toEqual([]);
  },
);

test('a SHA-256 repository is deployed by branch, then by commit, rolled back, and deployed after a push by force', async () => {
  const deploy = (inputs: Record<string, string>) =>
    site.deploy({ repository: sha256.url, canary: 'off', ...inputs });
  const first = sha256.commit(site.files({ version: 'one' }));
  expect(first).toHaveLength(64);
  const checked = await deploy({ mode: 'check', ref: 'main' });
  expect(checked, checked.stdout).toMatchObject({ code: 0 });
  expect(existsSync(path.join(site.live))).toBe(false);
  const one = await deploy({ ref: 'main' });
  expect(one, one.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: first } });
  const second = sha256.commit(site.files({ version: 'two' }));
  const two = await deploy({ ref: second });
  expect(two, two.stdout).toMatchObject({
    outputs: { outcome: 'deployed', sha: second, 'previous-sha': first },
  });
  expect(await site.served()).toBe('two');
  const back = await deploy({ mode: 'rollback' });
  expect(back, back.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: first } });
  expect(await site.served()).toBe('one');

  sha256.git('reset', '--soft', first);
  const third = sha256.commit(site.files({ version: 'three' }));
  const forced = await deploy({ ref: 'main' });
  expect(forced, forced.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: third } });
  expect(await site.served()).toBe('three');
  const lost = await deploy({ ref: second });
  expect(lost, lost.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: third } });
  expect(lost.stdout).toContain(`No branch or tag of the repository contains the commit '${second}'`);
  // No branch has it any more, but it was verified here.
  const verified = await deploy({ mode: 'rollback', ref: second });
  expect(verified, verified.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: second } });
  expect(await site.served()).toBe('two');
});

test('a checkout that is shallow and sparse is deployed, rolled back, and stays both', async () => {
  await using thin = await createSite(site.host, { app: { name: 'thin', ...UNVISITED } });
  const commit = (version: string): string =>
    thin.commit({ files: { ...thin.files({ version }), 'docs/page.md': version } });
  const git = (...args: string[]): string =>
    execFileSync('git', args, { cwd: thin.live, env: thin.host.env, encoding: 'utf8' }).trim();
  commit('none');
  const first = commit('one');
  const clone = ['clone', '--quiet', '--depth=1', '--sparse', thin.repository.url, thin.live];
  execFileSync('git', clone, { env: thin.host.env });
  git('sparse-checkout', 'set', 'src');
  for (const [ref, version] of [
    [first, 'one'],
    [commit('two'), 'two'],
  ] as const) {
    const run = await thin.deploy({ ref, canary: 'off' });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: ref } });
    expect(await thin.served()).toBe(version);
  }
  const back = await thin.deploy({ mode: 'rollback', canary: 'off' });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: first } });
  expect(await thin.served()).toBe('one');
  expect(git('rev-parse', '--is-shallow-repository')).toBe('true');
  expect(existsSync(path.join(thin.live, 'docs'))).toBe(false);
  expect(git('status', '--porcelain', '--untracked-files=no')).toBe('');
});

test("a fork's commit is deployed where the input allows it, and not by an event of the fork", async () => {
  const { repository } = site;
  const main = site.commit({ version: 'main' });
  const fork = site.commit({ version: 'fork' });
  repository.git('update-ref', 'refs/pull/7/merge', fork);
  repository.git('update-ref', 'refs/heads/main', main);
  const inputs = {
    ...site.host.access,
    path: 'pulled',
    repository: repository.url,
    'install-command': 'none',
    'build-command': 'node build.js',
    'stable-for': '500ms',
    'health-timeout': '20s',
    canary: 'off',
  };
  const onPull = (from: string, more: Record<string, string> = {}) =>
    runAction({
      inputs: { ...inputs, ...more },
      env: { GITHUB_SHA: fork },
      event: { name: 'pull_request', payload: { pull_request: { head: { repo: { full_name: from } } } } },
    });
  for (const more of [{}, { mode: 'check' }, { ref: 'refs/pull/7/merge' }, { ref: fork.slice(0, 8) }]) {
    const refused = await onPull('mallory/shop', more);
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(refused.stdout).toContain('A commit that only a fork or a pull request has is refused');
  }
  const own = await onPull('octocat/shop', { mode: 'check' });
  expect(own, own.stdout).toMatchObject({ code: 0 });
  // An app of this name runs from the other path still.
  await site.host.pm2(['delete', 'shop']);
  const allowed = await onPull('mallory/shop', { 'allow-untracked-ref': 'true' });
  expect(allowed, allowed.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: fork } });
});

test("no login of the server's git settings is shown, whatever prints it", async () => {
  const own = await createSite(site.host, { app: { name: 'settings' } });
  const secrets = [
    'ofTheOrigin1',
    'ofThePush1',
    'ofTheHeader1',
    'ofTheAlias1',
    'ofASubmodule1',
    'ofTheBuild1',
  ];
  const git = (...args: string[]) => execFileSync('git', args, { env: own.host.env });
  own.commit({ version: 'first' });
  git('clone', '--quiet', own.repository.url, own.live);
  const local = (name: string, value: string) => git('-C', own.live, 'config', name, value);
  // Nothing listens there, which git says with the whole address.
  local('remote.origin.url', 'https://deploy:ofTheOrigin1@localhost:1/acme/app.git');
  local('remote.origin.pushurl', 'https://deploy:ofThePush1@localhost:1/acme/app.git');
  local('submodule.lib.url', 'https://deploy:ofASubmodule1@localhost:1/acme/lib.git');
  git('config', '--global', 'http.https://git.example/.extraHeader', 'Authorization: Bearer ofTheHeader1');
  git('config', '--global', 'url.https://deploy:ofTheAlias1@localhost:1/.insteadOf', 'work:');

  const refused = await own.deploy({ mode: 'check', ref: 'main', repository: '' });
  expect(refused, refused.stdout).toMatchObject({ code: 1 });
  expect(refused.stdout).toContain('unable to access');
  const version = own.commit({ version: 'settings' });
  const prints =
    'git remote -v; git config --list; echo ofTheHeader1; echo postgres://app:ofTheBuild1@db/shop';
  const run = await own.deploy({ ref: version, 'build-command': `${prints}; node build.js`, canary: 'off' });
  expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: version } });
  expect(run.stdout).toContain('remote.origin.url=https://***@localhost:1/acme/app.git');
  for (const secret of secrets) {
    for (const { stdout, stderr, summary, outputs } of [refused, run])
      expect([stdout, stderr, summary, JSON.stringify(outputs)].join()).not.toContain(secret);
  }
  await own.stop();
  git('config', '--global', '--remove-section', 'url.https://deploy:ofTheAlias1@localhost:1/');
});

test('a file name that is not UTF-8 is refused by name; without it the same checkout is deployed', async () => {
  const own = await createSite(site.host, { app: { name: 'latin' }, inputs: { canary: 'off' } });
  const files = own.files({ version: 'old' });
  own.commit({ files });
  const blob = own.repository.git('rev-parse', 'HEAD:package.json');
  execFileSync('git', ['--git-dir', own.repository.path, 'update-index', '--index-info'], {
    input: `100644 ${blob}\t"caf\\351.txt"\n`,
  });
  own.repository.git('commit', '--quiet', '--message', 'Add a name of another time');
  const named = own.repository.git('rev-parse', 'HEAD');
  execFileSync('git', ['clone', '--quiet', own.repository.url, own.live], { env: own.host.env });
  const refused = await own.deploy({ ref: named, force: 'true' });
  expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(refused.stdout).toContain(String.raw`The file name "caf\351.txt" in the commit is not valid UTF-8`);
  expect(refused.stdout).not.toMatch(/\n\s+at /);
  const renamed = own.commit({ version: 'new' });
  const run = await own.deploy({ ref: renamed, canary: 'required' });
  expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: renamed } });
  await own.stop();
});
