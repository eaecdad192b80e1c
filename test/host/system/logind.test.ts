import { expect, test } from 'vitest';
import { diesWithSession, type Login } from '../../../src/host/system/logind.ts';

/** As a session over SSH has it, with the settings in the form in which logind prints its own. */
const killed: Login = {
  cgroup: '0::/user.slice/user-1000.slice/session-12.scope\n',
  user: 'deploy',
  lingers: false,
  settings: 'EnableWallMessages=no\nKillUserProcesses=yes\nKillOnlyUsers=\nKillExcludeUsers=root\n',
};

test('a session of a user whose processes logind kills', () => {
  expect(diesWithSession(killed)).toBe(true);
  expect(diesWithSession({ ...killed, settings: 'KillUserProcesses=yes\nKillOnlyUsers=www deploy\n' })).toBe(
    true,
  );
  expect(
    diesWithSession({
      ...killed,
      cgroup: '12:pids:/\n1:name=systemd:/user.slice/user-1000.slice/session-c2.scope\n',
    }),
  ).toBe(true);
});

test.each<[string, Partial<Login>]>([
  ['the user lingers', { lingers: true }],
  ['logind leaves processes alone', { settings: 'KillUserProcesses=no\n' }],
  ['nothing is known of logind', { settings: '' }],
  ['the process is in no session', { cgroup: '0::/system.slice/ssh.service\n' }],
  ['the host has no cgroups', { cgroup: '' }],
  ['the user is root, who is excluded by default', { user: 'root', settings: 'KillUserProcesses=yes\n' }],
  ['the user is excluded', { settings: 'KillUserProcesses=yes\nKillExcludeUsers=root deploy\n' }],
  ['only others are killed', { settings: 'KillUserProcesses=yes\nKillOnlyUsers=www\n' }],
])('nothing is killed where %s', (_, change) => {
  expect(diesWithSession({ ...killed, ...change })).toBe(false);
});
