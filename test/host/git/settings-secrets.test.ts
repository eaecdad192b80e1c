import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { gitIn } from '../../../src/host/git/git.ts';
import { secretsOfSetting, secretsOfSettings } from '../../../src/host/git/settings-secrets.ts';
import { createClock } from '../../../src/host/system/clock.ts';

const base64 = (text: string): string => Buffer.from(text).toString('base64');

it.each([
  ['remote.origin.url', 'https://deploy:s3cr%3Dt@git.example/a', ['s3cr%3Dt', 's3cr=t']],
  ['remote.origin.pushurl', 'https://ghp_aTokenInPlaceOfAName@github.com/a/b', ['ghp_aTokenInPlaceOfAName']],
  [
    'remote.origin.url',
    'https://ghp_aTokenInPlaceOfAName:x-oauth-basic@github.com/a/b',
    ['ghp_aTokenInPlaceOfAName'],
  ],
  ['remote.origin.url', 'https://x-access-token:ghs_token@github.com/a/b', ['ghs_token']],
  ['remote.origin.url', 'https://100%:p@ss%@host/a', ['p@ss%']],
  ['url.https://bot:ghp_token@github.com/.insteadof', 'git@github.com:', ['ghp_token']],
  ['http.proxy', 'http://me:proxypass@proxy:8080', ['proxypass']],
  ['http.https://github.com/.extraheader', 'AUTHORIZATION: bearer ghp_token', ['ghp_token']],
  ['http.extraheader', `Authorization: Basic ${base64('x:ghp_token')}`, [base64('x:ghp_token'), 'ghp_token']],
  ['credential.helper', '!f() { echo username=x; echo password="ghp_token"; }; f', ['ghp_token']],
  ['core.sshcommand', 'sshpass -p hunter22 ssh', ['hunter22']],
  ['github.token', 'ghp_token', ['ghp_token']],
  ['remote.origin.url', 'https://github.com/acme/app.git', []],
  ['remote.origin.url', 'git@github.com:acme/app.git', []],
  ['remote.origin.url', 'ssh://deployer@git.example/a', []],
  ['user.email', 'ada@example.com', []],
])('of %s = %s these are secret: %j', (name, value, secrets) => {
  expect(secretsOfSetting(name, value)).toEqual(secrets);
});

it('finds those of the checkout, of the user, and of files that these include', async () => {
  const scratch = mkdtempSync(join(tmpdir(), 'settings-'));
  const at = (name: string): string => join(scratch, name);
  execFileSync('git', ['init', '--quiet', at('app')]);
  execFileSync('git', ['-C', at('app'), 'remote', 'add', 'origin', 'https://me:ofTheOrigin@git.example/a']);
  execFileSync('git', [
    '-C',
    at('app'),
    'config',
    'submodule.lib.url',
    'https://me:ofTheSubmodule@git.example/b',
  ]);
  writeFileSync(at('.gitconfig'), `[include]\n\tpath = ${at('more')}\n[alias]\n\tx\n`);
  writeFileSync(at('more'), '[url "https://me:ofTheUser@git.example/"]\n\tinsteadOf = work:\n');
  const git = gitIn(at('app'), {
    env: { PATH: process.env.PATH, HOME: scratch },
    clock: createClock(),
    timeLimit: 10_000,
    locks: new Set(),
  });
  expect(new Set(await secretsOfSettings(git))).toEqual(
    new Set(['ofTheOrigin', 'ofTheSubmodule', 'ofTheUser']),
  );
  rmSync(scratch, { recursive: true });
});
