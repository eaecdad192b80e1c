import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { type AddressInfo, createServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import ssh2 from 'ssh2';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectError } from '../../../src/runner/connect-error.ts';
import { connect, type Destination } from '../../../src/runner/connection/connect.ts';
import type { Channel, Connection } from '../../../src/runner/connection/ssh.ts';
import { readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { generateKeyPair } from '../../rig/embedded-ssh.ts';
import { freePort } from '../../rig/free-port.ts';
import { type SshHost, startSshd } from '../../rig/sshd.ts';

const home = mkdtempSync(join(tmpdir(), 'ssh-'));
for (const type of ['rsa', 'ecdsa']) {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-f', join(home, `host_${type}`)]);
}
const rsaHost = readFileSync(join(home, 'host_rsa.pub'), 'utf8').trim();
const rsaFingerprint = execFileSync('ssh-keygen', ['-lf', join(home, 'host_rsa.pub')], {
  encoding: 'utf8',
}).split(' ')[1];
const stranger = generateKeyPair();
const open: Connection[] = [];
let sshd: SshHost;

beforeAll(async () => {
  const config = [
    'LogLevel DEBUG1',
    `HostKey ${join(home, 'host_rsa')}`,
    `HostKey ${join(home, 'host_ecdsa')}`,
  ];
  sshd = await startSshd({ home, config });
});
afterAll(async () => {
  await Promise.all(open.map((connection) => connection.close()));
  await sshd.stop();
  rmSync(home, { recursive: true, force: true });
});

function target(changes: Partial<Destination> = {}): Destination {
  return {
    label: 'host-1',
    host: sshd.host,
    port: sshd.port,
    shownHost: sshd.host,
    username: sshd.username,
    key: readPrivateKey(sshd.key, null),
    password: null,
    agent: null,
    hostKey: { kind: 'known-hosts', text: sshd.knownHosts },
    timeout: 20_000,
    ...changes,
  };
}

async function opened(changes: Partial<Destination> = {}): Promise<Connection> {
  const connection = await connect(target(changes));
  open.push(connection);
  return connection;
}

async function errorOf(changes: Partial<Destination>): Promise<ConnectError> {
  try {
    await opened(changes);
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error('it connected');
}

async function all(channel: Channel): Promise<string> {
  let text = '';
  channel.stderr.resume();
  channel.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  await channel.ended;
  return text;
}

/** What sshd has logged of the connections that begin from now on. */
function logFromNow(): () => string {
  const from = sshd.log().length;
  return () => sshd.log().slice(from);
}

async function until(holds: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !holds(); ) {
    if (Date.now() > deadline) throw new Error('it did not come to hold');
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

/** Waits until sshd is done with so many connections, and has logged all that there is to say of them. */
async function ended(log: () => string, connections = 1): Promise<void> {
  const over = /^(Connection (closed|reset) by|Disconnected from)/gm;
  await until(() => (log().match(over)?.length ?? 0) >= connections);
}

describe('a connection', () => {
  it('runs commands, several over one login, and tells how each ended', async () => {
    const log = logFromNow();
    const connection = await opened();
    const echo = await connection.exec('cat; echo "$HOME"; exit 3');
    echo.stdin.end('hello\n');
    expect(await all(echo)).toBe(`hello\n${home}\n`);
    expect(await echo.ended).toEqual({ code: 3, signal: null, lost: null });

    const killed = await connection.exec('kill -9 $$');
    await all(killed);
    expect(await killed.ended).toEqual({ code: null, signal: 'SIGKILL', lost: null });
    expect(log().match(/Accepted publickey/g)).toHaveLength(1);
  });

  it.each([
    'KexAlgorithms diffie-hellman-group14-sha256\nCiphers aes128-ctr\nMACs hmac-sha2-512-etm@openssh.com',
    'Ciphers aes128-ctr\nMACs hmac-sha1,hmac-sha2-256',
    'KexAlgorithms ecdh-sha2-nistp521\nCiphers aes256-gcm@openssh.com\nHostKeyAlgorithms rsa-sha2-256\nPubkeyAcceptedAlgorithms ssh-ed25519',
  ])('works where few algorithms are left: %j', async (config) => {
    const other = await startSshd({ home, config: [`HostKey ${join(home, 'host_rsa')}`, config] });
    try {
      const key = readPrivateKey(other.key, null);
      const connection = await opened({ port: other.port, key, hostKey: { kind: 'off' } });
      expect(await all(await connection.exec('echo in'))).toBe('in\n');
      await connection.close();
    } finally {
      await other.stop();
    }
  });

  it('that is lost under a command leaves it without a code, and the process alive', async () => {
    const log = logFromNow();
    const connection = await opened();
    const channel = await connection.exec('echo $PPID; sleep 600');
    let text = '';
    channel.stderr.resume();
    channel.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    await until(() => text.includes('\n') && /User child is on pid|Starting session/.test(log()));
    process.kill(Number(text));
    expect(await channel.ended).toMatchObject({ code: null, lost: expect.any(String) });
    await expect(connection.exec('true')).rejects.toMatchObject({ kind: 'channel' });
    await connection.close();
  });

  it('is refused a further command where the host says so', async () => {
    const other = await startSshd({ home, config: ['MaxSessions 1'] });
    try {
      const connection = await opened({
        port: other.port,
        key: readPrivateKey(other.key, null),
        hostKey: { kind: 'off' },
      });
      const first = await connection.exec('sleep 600');
      first.stdout.resume();
      first.stderr.resume();
      await expect(connection.exec('true')).rejects.toMatchObject({
        kind: 'channel',
        remedy: expect.stringContaining('MaxSessions'),
      });
      await connection.close();
    } finally {
      await other.stop();
    }
  });
});

describe('the host key', () => {
  const wrong = `[127.0.0.1]:PORT ssh-ed25519 ${stranger.public.split(' ')[1]}`;

  it('that is wrong: nothing is sent, and both fingerprints are shown', async () => {
    const log = logFromNow();
    const error = await errorOf({
      hostKey: { kind: 'known-hosts', text: wrong.replace('PORT', String(sshd.port)) },
    });
    expect(error.kind).toBe('host-key');
    expect(error.message).toContain(sshd.fingerprint);
    expect(error.message).toContain('Expected was the ssh-ed25519 key SHA256:');
    expect(error.remedy).toContain('ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub');
    await ended(log);
    expect(log()).not.toMatch(/userauth|authenticating user|Accepted|Failed/i);

    // The same look at the log does find a login where there is one.
    const after = logFromNow();
    await opened();
    expect(after()).toContain('userauth-request');
  });

  it('that nothing pins: refused, with the line that pins it, which then works', async () => {
    const log = logFromNow();
    const error = await errorOf({ hostKey: { kind: 'none' } });
    expect(error.kind).toBe('host-key');
    expect(error.message).toContain(`the ssh-ed25519 key ${sshd.fingerprint}`);
    expect(error.remedy).toContain(sshd.knownHosts);
    await ended(log);
    expect(log()).not.toContain('userauth-request');
    const line = error.remedy?.split('\n').at(-1) ?? '';
    await opened({ hostKey: { kind: 'known-hosts', text: line } });
  });

  it('that known-hosts does not know: refused, and the line that cannot be read is named', async () => {
    const error = await errorOf({ hostKey: { kind: 'known-hosts', text: 'example.com ssh-ed25519 oops' } });
    expect(error.message).toContain('unreadable: line 1');
    expect(error.remedy).toContain(sshd.knownHosts);
  });

  it('is asked for in the type that is pinned', async () => {
    await opened({ hostKey: { kind: 'known-hosts', text: `[127.0.0.1]:${sshd.port} ${rsaHost}` } });
  });

  it('is found by its fingerprint, whatever its type', async () => {
    await opened({ hostKey: { kind: 'fingerprints', list: [sshd.fingerprint] } });
    await opened({ hostKey: { kind: 'fingerprints', list: ['SHA256:other', `${rsaFingerprint}=`] } });
  });

  it('that no fingerprint names: every key that it has is shown, nothing is sent', async () => {
    const log = logFromNow();
    const error = await errorOf({ hostKey: { kind: 'fingerprints', list: ['SHA256:AAAA'] } });
    expect(error.kind).toBe('host-key');
    for (const shown of [
      sshd.fingerprint,
      rsaFingerprint,
      'ecdsa-sha2-nistp256',
      'Expected was SHA256:AAAA',
    ]) {
      expect(error.message).toContain(shown);
    }
    await ended(log, 3);
    expect(log()).not.toContain('userauth-request');
  });

  it('does not matter where checking is off', async () => {
    await opened({ hostKey: { kind: 'off' } });
  });

  it("does not say the address where that is nobody's business", async () => {
    const error = await errorOf({ hostKey: { kind: 'none' }, shownHost: null });
    expect(`${error.message} ${error.remedy}`).not.toContain(sshd.host);
    expect(error.remedy).toContain(`[ADDRESS]:${sshd.port} ssh-ed25519 `);
  });
});

describe('the login', () => {
  it('with a key that the host does not know: says which, and what would let it in', async () => {
    const key = readPrivateKey(stranger.private, null);
    const error = await errorOf({ key });
    expect(error).toMatchObject({ kind: 'authentication' });
    expect(error.message).toBe(
      `host-1 refused to log in '${sshd.username}' with the ssh-ed25519 key ${key.fingerprint}. It accepts: publickey.`,
    );
    expect(error.remedy).toContain(key.publicLine);
  });

  it('of a user who does not exist is refused alike', async () => {
    expect(await errorOf({ username: 'nobody-of-that-name' })).toMatchObject({
      kind: 'authentication',
      message: expect.stringContaining("'nobody-of-that-name'"),
    });
  });

  it('with nothing to log in with is not tried', async () => {
    expect(await errorOf({ key: null })).toMatchObject({
      kind: 'authentication',
      remedy: 'Set key or password, or start an ssh-agent in an earlier step.',
    });
  });

  it('with a password where only keys are taken says so, and keeps it', async () => {
    const log = logFromNow();
    const error = await errorOf({ key: null, password: 'hunter2' });
    expect(error.message).toContain('with a password. It accepts: publickey.');
    expect(`${error.message}${error.remedy}${error.stack}`).not.toContain('hunter2');
    await ended(log);
    expect(log()).toContain('method none');
    expect(log()).not.toContain('method password');
  });
});

describe('a password', () => {
  const heard: string[] = [];
  let server: InstanceType<typeof ssh2.Server>;
  let port = 0;
  let methods: string[] = [];

  beforeAll(async () => {
    const hostKey = generateKeyPair().private;
    server = new ssh2.Server({ hostKeys: [hostKey] }, (client) => {
      client.on('error', () => {});
      client.on('authentication', (context) => {
        heard.push(context.method);
        const accept = (right: boolean): void =>
          right ? context.accept() : context.reject(methods as never);
        if (!methods.includes(context.method)) return context.reject(methods as never);
        if (context.method === 'password') return accept(context.password === 'hunter2');
        if (context.method === 'keyboard-interactive') {
          return context.prompt([{ prompt: 'Code: ', echo: false }], (answers) =>
            accept(answers[0] === 'hunter2'),
          );
        }
        context.reject(methods as never);
      });
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(async () => {
    for (const connection of open) await connection.close();
    await new Promise<void>((resolve) => server.close(() => resolve()));
  });

  it.each(['password', 'keyboard-interactive'])('is taken by %s', async (method) => {
    methods = [method];
    await opened({ port, key: null, password: 'hunter2', hostKey: { kind: 'off' } });
  });

  it('that is wrong is refused', async () => {
    methods = ['password', 'keyboard-interactive'];
    const error = await errorOf({ port, key: null, password: 'wrong', hostKey: { kind: 'off' } });
    expect(error).toMatchObject({ kind: 'authentication', remedy: expect.stringContaining('password') });
  });

  it('comes after a key that was refused', async () => {
    methods = ['publickey', 'password'];
    await opened({ port, password: 'hunter2', hostKey: { kind: 'off' } });
  });

  it('is not sent to a host with another key', async () => {
    heard.length = 0;
    for (const hostKey of [
      { kind: 'none' } as const,
      { kind: 'fingerprints', list: ['SHA256:AAAA'] } as const,
      { kind: 'known-hosts', text: `[127.0.0.1]:${port} ${rsaHost}` } as const,
    ]) {
      expect(await errorOf({ port, key: null, password: 'hunter2', hostKey })).toMatchObject({
        kind: 'host-key',
      });
    }
    expect(heard).toEqual([]);
  });
});

describe('a host that', () => {
  const servers: Server[] = [];
  const sockets: Socket[] = [];
  afterAll(() => {
    for (const socket of sockets) socket.destroy();
    for (const server of servers) server.close();
  });

  async function listening(onSocket: (socket: Socket) => void): Promise<number> {
    const server = createServer((socket) => {
      sockets.push(socket);
      socket.on('error', () => {});
      onSocket(socket);
    });
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  it('has no name is told from', async () => {
    expect(await errorOf({ host: 'nowhere.invalid', shownHost: 'nowhere.invalid' })).toMatchObject({
      kind: 'name',
      message: expect.stringContaining('host-1 (nowhere.invalid)'),
    });
  });

  it('has nothing at that port', async () => {
    const port = await freePort();
    expect(await errorOf({ port })).toMatchObject({
      kind: 'refused',
      message: expect.stringContaining(`port ${port}`),
    });
  });

  it('never says anything', async () => {
    const port = await listening(() => {});
    const started = performance.now();
    expect(await errorOf({ port, timeout: 300 })).toMatchObject({
      kind: 'timeout',
      message: expect.stringContaining('did not finish the SSH handshake'),
    });
    expect(performance.now() - started).toBeLessThan(5_000);
  });

  it('speaks something else', async () => {
    const port = await listening((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'));
    expect(await errorOf({ port })).toMatchObject({
      kind: 'not-ssh',
      message: `At port ${port} of host-1 there is no SSH server, but a web server. It said: HTTP/1.1 400 Bad Request`,
    });
  });

  it('speaks something else, and waits', async () => {
    const port = await listening((socket) => socket.write('220 mail.example.com ESMTP\r\n'));
    expect(await errorOf({ port, timeout: 2_000 })).toMatchObject({
      kind: 'not-ssh',
      message: expect.stringContaining('It said: 220 mail.example.com ESMTP'),
    });
  });

  it('hangs up at once', async () => {
    const port = await listening((socket) => socket.destroy());
    expect(await errorOf({ port })).toMatchObject({
      kind: 'closed',
      remedy: expect.stringContaining('MaxStartups'),
    });
  });

  it.each([
    [
      'KexAlgorithms sntrup761x25519-sha512@openssh.com',
      'key exchange algorithm',
      'sntrup761x25519-sha512@openssh.com',
    ],
    ['HostKeyAlgorithms ssh-rsa', 'host key algorithm', 'ssh-rsa'],
    ['Ciphers aes256-cbc', 'cipher', 'aes256-cbc'],
    // SHA-1 is not taken, even where there is nothing else.
    [
      'Ciphers aes128-ctr\nMACs hmac-sha1,hmac-sha1-etm@openssh.com',
      'MAC',
      'hmac-sha1, hmac-sha1-etm@openssh.com',
    ],
    ['Ciphers aes128-ctr\nMACs umac-64@openssh.com,hmac-md5', 'MAC', 'umac-64@openssh.com, hmac-md5'],
  ])('has no algorithm in common: %s', async (config, kind, offered) => {
    const other = await startSshd({ home, config: [`HostKey ${join(home, 'host_rsa')}`, config] });
    try {
      expect(await errorOf({ port: other.port })).toMatchObject({
        kind: 'algorithms',
        message: `host-1 and this action have no ${kind} in common. It offers: ${offered}.`,
      });
    } finally {
      await other.stop();
    }
  });
});
