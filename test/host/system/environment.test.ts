import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { pm2Environment, sessionless, withNode } from '../../../src/host/system/environment.ts';

const session = {
  PATH: '/bin',
  HOME: '/home/deploy',
  LANG: 'C.UTF-8',
  LC_ALL: 'C',
  TZ: 'UTC',
  PM2_HOME: '/home/deploy/.pm2',
  NVM_DIR: '/home/deploy/.nvm',
  XDG_STATE_HOME: '/home/deploy/.state',
  XDG_SESSION_ID: '7',
  XDG_RUNTIME_DIR: '/run/user/1000',
  SSH_CLIENT: '203.0.113.9 5555 22',
  SSH_AUTH_SOCK: '/tmp/agent',
  PM2_SSH_DEPLOY_RUN: '/run',
  GITHUB_TOKEN: 'secret',
  NODE_OPTIONS: '--inspect',
  NODE_ENV: 'production',
  UNSET: undefined,
};

test('commands get what the session has, but nothing of the session itself', () => {
  const { SSH_CLIENT, SSH_AUTH_SOCK, PM2_SSH_DEPLOY_RUN, XDG_SESSION_ID, UNSET, ...rest } = session;
  expect(sessionless(session)).toEqual(rest);
});

test('what leads git to another repository, or to other settings, stays behind', () => {
  const local = execFileSync('git', ['rev-parse', '--local-env-vars'], { encoding: 'utf8' })
    .trim()
    .split('\n');
  const others = [
    'GIT_NAMESPACE',
    'GIT_CEILING_DIRECTORIES',
    'GIT_CONFIG_GLOBAL',
    'GIT_CONFIG_KEY_0',
    'GIT_DEFAULT_HASH',
  ];
  const kept = {
    GIT_SSH_COMMAND: 'ssh -i key',
    GIT_SSL_CAINFO: '/ca.pem',
    GIT_TOKEN: 'for a build',
    GIT_COMMITTER_NAME: 'x',
  };
  const wrong = Object.fromEntries([...local, ...others].map((name) => [name, '/elsewhere']));
  expect(sessionless({ ...wrong, ...kept })).toEqual(kept);
});

test('PM2 gets what it needs and no more', () => {
  expect(Object.keys(pm2Environment(session))).toEqual([
    'PATH',
    'HOME',
    'LANG',
    'LC_ALL',
    'TZ',
    'PM2_HOME',
    'NVM_DIR',
    'XDG_STATE_HOME',
  ]);
});

test("the first node on PATH is the one that runs the deploy, not a version manager's choice by the directory", () => {
  const root = mkdtempSync(join(tmpdir(), 'path-'));
  const at = (name: string): string => join(root, name);
  for (const directory of ['image', 'shims', 'linked', 'empty']) mkdirSync(at(directory));
  writeFileSync(at('image/node'), '');
  writeFileSync(at('shims/node'), '');
  symlinkSync('../image/node', at('linked/node'));
  const path = (PATH: string, execPath = at('image/node')) => withNode({ A: '1', PATH }, execPath).PATH;
  expect(path(`${at('shims')}:/bin`)).toBe(`${at('image')}:${at('shims')}:/bin`);
  expect(path('/bin')).toBe(`${at('image')}:/bin`);
  const right = `${at('empty')}:${at('linked')}:${at('shims')}`;
  expect(path(right)).toBe(right);
  writeFileSync(at('empty/nodejs'), '');
  expect(path('/bin', at('empty/nodejs'))).toBe('/bin');
  rmSync(root, { recursive: true });
});
