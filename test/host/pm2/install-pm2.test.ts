import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { installPm2, isOfVersion } from '../../../src/host/pm2/install-pm2.ts';
import type { DeployFailure } from '../../../src/host/system/failure.ts';

let root: string;
let registry: http.Server;
let url: string;

/** A registry with one small package that is called pm2. */
beforeAll(async () => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'install-')));
  const manifest = { name: 'pm2', version: '7.0.4', bin: { pm2: 'bin/pm2' } };
  mkdirSync(join(root, 'package/bin'), { recursive: true });
  writeFileSync(join(root, 'package/package.json'), JSON.stringify(manifest));
  writeFileSync(join(root, 'package/bin/pm2'), '#!/usr/bin/env node\n', { mode: 0o755 });
  execFileSync('tar', ['-czf', 'pm2.tgz', 'package'], { cwd: root });
  registry = http.createServer((request, response) => {
    if (request.url === '/pm2.tgz') return response.end(readFileSync(join(root, 'pm2.tgz')));
    const versions = { '7.0.4': { ...manifest, dist: { tarball: `${url}/pm2.tgz` } } };
    response.end(JSON.stringify({ name: 'pm2', 'dist-tags': { latest: '7.0.4' }, versions }));
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  url = `http://127.0.0.1:${(registry.address() as AddressInfo).port}`;
});
afterAll(() => {
  registry.close();
  rmSync(root, { recursive: true });
});

/** With a prefix of npm's in which nobody can write. */
function install(wanted: string, env: NodeJS.ProcessEnv = {}): Promise<string> {
  const home = mkdtempSync(join(root, 'home-'));
  const settings = {
    npm_config_registry: url,
    npm_config_prefix: '/dev/null/npm',
    npm_config_fetch_retries: '0',
  };
  return installPm2({
    wanted,
    env: { PATH: process.env.PATH, HOME: home, ...settings, ...env },
    home,
    timeLimit: 30_000,
    cancel: new AbortController().signal,
    onLine: () => {},
  });
}

async function failureOf(promise: Promise<string>): Promise<DeployFailure> {
  return promise.then(
    (prefix) => expect.fail(prefix),
    (error: DeployFailure) => error,
  );
}

test("PM2 goes to ~/.local where npm's own place belongs to another user", async () => {
  const prefix = await install('7');
  expect(prefix).toMatch(/\/home-\w+\/\.local$/);
  expect(existsSync(join(prefix, 'bin/pm2'))).toBe(true);
});

test('a version that the registry does not have', async () => {
  const failure = await failureOf(install('8'));
  expect(failure.message).toBe("npm's registry has no PM2 8 (pm2-version).");
});

test('a registry that cannot be reached', async () => {
  const failure = await failureOf(install('7', { npm_config_registry: 'http://127.0.0.1:9' }));
  expect(failure.message).toBe('npm could not get PM2 from its registry.');
  expect(failure.remedy).toContain("'npm ping'");
});

test('no npm', async () => {
  const failure = await failureOf(install('7', { PATH: root }));
  expect(failure.message).toContain('npm is not either');
});

test('a version is met by its first numbers alone', () => {
  expect(isOfVersion('7.0.4', '7')).toBe(true);
  expect(isOfVersion('7.0.4', '7.0')).toBe(true);
  expect(isOfVersion('7.0.4', '7.0.4')).toBe(true);
  expect(isOfVersion('7.0.40', '7.0.4')).toBe(false);
  expect(isOfVersion('70.0.4', '7')).toBe(false);
});
