import { expect, test } from 'vitest';
import { pm2Environment, sessionless } from '../../src/host/environment.ts';

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
