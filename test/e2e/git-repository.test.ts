import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { runAction } from '../rig/action.ts';
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
    expect(leftOf('shpo')).toEqual([]);
  },
);

test('a SHA-256 repository is deployed by branch, then by commit, and rolled back', async () => {
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
