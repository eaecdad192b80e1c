import { execFileSync } from 'node:child_process';
import { readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UNVISITED } from '../rig/fixture-app.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** A checkout whose package-lock.json a plain `npm install` has rewritten, as many have. */
let site: Site;
let first: string;
beforeAll(async () => {
  site = await createSite(NEWEST, { app: UNVISITED });
  first = site.commit({ version: '1' });
  execFileSync('git', ['clone', '--quiet', site.repository.url, site.live]);
  writeFileSync(path.join(site.live, 'package-lock.json'), '{"rewritten":"by npm install"}\n');
  writeFileSync(path.join(site.live, 'version.json'), '{"version":"by hand"}\n');
  execFileSync('git', ['add', 'version.json'], { cwd: site.live });
  execFileSync('node', ['build.js'], { cwd: site.live });
  rmSync(path.join(site.live, 'build.js'));
  await site.host.pm2(['start', 'ecosystem.config.js'], site.live);
});
afterAll(() => site?.stop());

const lock = (): string => readFileSync(path.join(site.live, 'package-lock.json'), 'utf8');
const git = (...args: string[]): string =>
  execFileSync('git', args, { cwd: site.live, encoding: 'utf8', stdio: 'pipe' });
const deploy = (ref: string, inputs: Record<string, string> = {}) =>
  site.deploy({ ref, canary: 'off', ...inputs });

test('local changes are refused by default, and the refusal names the input that saves them', async () => {
  const run = await deploy(site.commit({ version: '2' }));
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: first } });
  expect(run.stdout).toContain('package-lock.json');
  expect(run.stdout).toContain("local-changes to 'save'");
});

test('a version that breaks: every file is back as it was before, and so is what was staged', async () => {
  const sum = site.host.checksum(site.live, { except: ['.git'] });
  const status = git('status', '--porcelain');
  const run = await deploy(site.commit({ version: 'bad', flaw: 'throws at boot' }), {
    'local-changes': 'save',
  });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: first } });
  expect(site.host.checksum(site.live, { except: ['.git'] })).toBe(sum);
  expect(git('status', '--porcelain')).toBe(status);
});

test('a file that is changed after the swap was listed is in the patch, too', async () => {
  const shim = path.join(site.host.directory, 'bin/git');
  const count = path.join(site.host.directory, 'count');
  const real = execFileSync('which', ['git'], { encoding: 'utf8' }).trim();
  // The swap is listed once when the version is staged, and once more before it goes live.
  const script = `#!/bin/sh
case "$*" in *'ls-files -v -z')
  echo >> ${count}
  test "$(wc -l < ${count})" = 2 && echo '{"version":"just now"}' > ${site.live}/version.json
esac
exec ${real} "$@"
`;
  writeFileSync(shim, script, { mode: 0o755 });
  const run = await deploy(site.commit({ version: 'bad', flaw: 'throws at boot' }), {
    'local-changes': 'save',
  });
  rmSync(shim);
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  const patch = /saved on the server in (\S+\.patch)/.exec(run.stdout)?.[1] ?? '';
  expect(readFileSync(patch, 'utf8')).toContain('just now');
  expect(readFileSync(path.join(site.live, 'version.json'), 'utf8')).toContain('just now');
  writeFileSync(path.join(site.live, 'version.json'), '{"version":"by hand"}\n');
});

test('with save they are a patch on the server, and what runs is the commit alone', async () => {
  const before = lock();
  const sha = site.commit({ version: '2' });
  const run = await deploy(sha, { 'local-changes': 'save' });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
  expect(await site.served()).toBe('2');
  expect(git('status', '--porcelain')).toBe('');
  expect(lock()).not.toBe(before);

  const patch = /saved on the server in (\S+\.patch)/.exec(run.stdout)?.[1] ?? '';
  expect(patch).toMatch(/\/local-changes-\d{4}-\d\d-\d\d-[a-z0-9-]+\.patch$/);
  expect(statSync(patch).mode & 0o777).toBe(0o600);
  const again = path.join(site.host.directory, 'again');
  execFileSync('git', ['clone', '--quiet', site.live, again]);
  execFileSync('git', ['checkout', '--quiet', first], { cwd: again });
  execFileSync('git', ['apply', patch], { cwd: again });
  expect(readFileSync(path.join(again, 'package-lock.json'), 'utf8')).toBe(before);
  expect(execFileSync('git', ['status', '--porcelain'], { cwd: again, encoding: 'utf8' })).toBe(
    ' D build.js\n M package-lock.json\n M version.json\n',
  );

  const next = await deploy(site.commit({ version: '3' }));
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(statSync(patch).size).toBeGreaterThan(0);
});
