import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import type { AddressInfo } from 'node:net';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { ConnectError } from '../../../src/runner/connect-error.ts';
import { connect, type Destination } from '../../../src/runner/connection/connect.ts';
import { type PrivateKey, readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { startSshd } from '../../rig/sshd.ts';
import { keyMaker } from '../keys/make-keys.ts';

const PASSWORD = 'correct horse, Battery-Stäple';
const directory = mkdtempSync(join(tmpdir(), 'password-'));
const { ssh } = keyMaker(directory);
const known = ssh('known', '-t', 'ed25519', '-N', '');
const stranger = readPrivateKey(ssh('stranger', '-t', 'ed25519', '-N', '').text, null);
const key = readPrivateKey(known.text, null);

interface Place {
  port: number;
  stop(): Promise<unknown>;
}

/** What each host asks for, as `AuthenticationMethods` has it. */
const hosts = { password: 'password', both: 'publickey,password' } as const;
const places = new Map<keyof typeof hosts, Place>();

beforeAll(async () => {
  for (const [name, methods] of Object.entries(hosts)) {
    places.set(name as keyof typeof hosts, await startHost(methods));
  }
});
afterAll(async () => {
  for (const place of places.values()) await place.stop();
  rmSync(directory, { recursive: true, force: true });
});

/** A real sshd, which only root can give a password to look at; for others a server in this process asks for the same. */
function startHost(methods: string): Promise<Place> {
  return process.getuid?.() === 0 ? startRealHost(methods) : startEmbeddedHost(methods.split(','));
}

async function startRealHost(methods: string): Promise<Place> {
  const { username } = userInfo();
  const hash = execFileSync('openssl', ['passwd', '-6', '-stdin'], {
    input: PASSWORD,
    encoding: 'utf8',
  }).trim();
  const others = readFileSync('/etc/shadow', 'utf8').replace(new RegExp(`^${username}:.*\n?`, 'm'), '');
  const shadow = join(directory, 'shadow');
  writeFileSync(shadow, `${username}:${hash}:19000:0:99999:7:::\n${others}`, { mode: 0o600 });
  writeFileSync(join(directory, 'authorized_keys'), `${known.publicKey}\n`, { mode: 0o600 });
  const config = [
    'PasswordAuthentication yes',
    `AuthenticationMethods ${methods}`,
    `AuthorizedKeysFile ${join(directory, 'authorized_keys')}`,
  ];
  return startSshd({ home: directory, shadow, config });
}

async function startEmbeddedHost(methods: string[]): Promise<Place> {
  const hostKey = ssh(`host-${methods.length}`, '-t', 'ed25519', '-N', '').text;
  const server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
    let left = [...methods];
    client.on('error', () => {});
    client.on('authentication', (context) => {
      const { method } = context;
      const right =
        (context.method === 'password' && context.password === PASSWORD) ||
        (context.method === 'publickey' &&
          context.key.data.toString('base64') === known.publicKey.split(' ')[1]);
      const asked = context.method === 'publickey' && !context.signature;
      if (method !== left[0] || !right) return context.reject(left.slice(0, 1) as never);
      if (asked) return context.accept();
      left = left.slice(1);
      if (left.length === 0) context.accept();
      else context.reject(left as never, true);
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    port: (server.address() as AddressInfo).port,
    stop: () => new Promise<void>((resolve) => server.close(() => resolve())),
  };
}

async function logIn(
  host: keyof typeof hosts,
  given: PrivateKey | null,
  password: string | null,
): Promise<void> {
  const target: Destination = {
    label: 'host-1',
    host: '127.0.0.1',
    port: places.get(host)?.port ?? 0,
    shownHost: null,
    username: userInfo().username,
    key: given,
    password,
    agent: null,
    hostKey: { kind: 'off' },
    timeout: 20_000,
  };
  await (await connect(target)).close();
}

async function errorOf(...login: Parameters<typeof logIn>): Promise<ConnectError> {
  try {
    await logIn(...login);
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error('it logged in');
}

it('a password logs in, alone or after a key that is not asked for', async () => {
  await logIn('password', null, PASSWORD);
  await logIn('password', key, PASSWORD);
});

it('a host that wants a key and a password gets both', async () => {
  await logIn('both', key, PASSWORD);
});

it.each<[string, Parameters<typeof logIn>, string, string]>([
  [
    'a wrong password',
    ['password', null, 'wrong'],
    'with a password. It accepts: password.',
    'Check username and password.',
  ],
  ['a key for a password', ['password', key, null], 'It accepts: password.', 'Set password'],
  ['a key of two', ['both', key, null], 'but wants more', 'Set password too'],
  ['a password of two', ['both', null, PASSWORD], 'with a password. It accepts: publickey.', 'then set key'],
  ['a wrong key of two', ['both', stranger, PASSWORD], 'It accepts: publickey.', stranger.publicLine],
  ['a wrong password of two', ['both', key, 'wrong'], 'It accepts: password.', 'It accepted the key'],
])('%s is refused, and never shown', async (_, login, says, remedy) => {
  const error = await errorOf(...login);
  expect(error).toMatchObject({ kind: 'authentication', message: expect.stringContaining(says) });
  expect(error.remedy).toContain(remedy);
  expect(`${error.message}${error.remedy}${error.stack}`).not.toContain(PASSWORD);
});
