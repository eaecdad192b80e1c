import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectSocket, createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectError } from '../../../src/runner/connect-error.ts';
import { connect, type Destination, type Hop } from '../../../src/runner/connection/connect.ts';
import { pauseBefore } from '../../../src/runner/connection/retry.ts';
import type { Connection } from '../../../src/runner/connection/ssh.ts';
import { readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { freePort } from '../../rig/free-port.ts';
import { startRelay } from '../../rig/relay.ts';
import { type SshdOptions, type SshHost, startSshd } from '../../rig/sshd.ts';

const home = mkdtempSync(join(tmpdir(), 'way-'));
const open: Connection[] = [];
const servers: SshHost[] = [];
/** Two bastions and the server behind them, each at an address of its own. */
let outer: SshHost;
let inner: SshHost;
let server: SshHost;

beforeAll(async () => {
  outer = await start({ listen: '127.0.0.2', config: ['PasswordAuthentication yes'] });
  inner = await start({ listen: '127.0.0.3', alsoTakes: outer.publicKey });
  server = await start({ listen: '127.0.0.4' });
});
afterAll(async () => {
  await Promise.all(open.map((connection) => connection.close()));
  await Promise.all(servers.map((each) => each.stop()));
  rmSync(home, { recursive: true, force: true });
});

async function start(options: Omit<SshdOptions, 'home'> = {}): Promise<SshHost> {
  const config = ['LogLevel DEBUG1', ...(options.config ?? [])];
  const started = await startSshd({ ...options, home, config });
  servers.push(started);
  return started;
}

function hop(host: SshHost, label: string, changes: Partial<Hop> = {}): Hop {
  return {
    label,
    host: host.host,
    port: host.port,
    shownHost: null,
    setBy: 'proxy-jump',
    username: host.username,
    key: readPrivateKey(outer.key, null),
    agent: null,
    hostKey: { kind: 'fingerprints', list: [host.fingerprint] },
    ...changes,
  };
}

function target(changes: Partial<Destination> = {}): Destination {
  return {
    ...hop(server, 'host-1'),
    setBy: 'host and port',
    key: readPrivateKey(server.key, null),
    password: null,
    hops: [hop(outer, 'hop-1'), hop(inner, 'hop-2')],
    timeout: 20_000,
    ...changes,
  };
}

async function opened(changes: Partial<Destination> = {}, say?: (text: string) => void): Promise<Connection> {
  const connection = await connect(target(changes), say);
  open.push(connection);
  return connection;
}

async function errorOf(changes: Partial<Destination>, say?: (text: string) => void): Promise<ConnectError> {
  try {
    await opened(changes, say);
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error('it connected');
}

async function output(connection: Connection, command: string): Promise<string> {
  const channel = await connection.exec(command);
  let text = '';
  channel.stderr.resume();
  channel.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString('utf8');
  });
  await channel.ended;
  return text.trim();
}

function logFromNow(host: SshHost): () => string {
  const from = host.log().length;
  return () => host.log().slice(from);
}

/** How many connections a log has seen end: sshd has other words for one whose end comes while it still sends. */
const ended = (log: string): number =>
  log.match(/^(Connection (closed|reset) by|Disconnected from|Read error from remote host)/gm)?.length ?? 0;

describe('through two hops', () => {
  it('commands run at the host, over one login at each, and the end of it ends all', async () => {
    const logs = [outer, inner, server].map(logFromNow);
    const connection = await connect(target());
    expect(await output(connection, 'echo "$SSH_CONNECTION"')).toMatch(` 127.0.0.4 ${server.port}`);
    await connection.close();
    for (const log of logs) {
      await expect.poll(() => ended(log())).toBe(1);
      expect(log().match(/Accepted publickey/g)).toHaveLength(1);
    }
    expect(logs.map((log) => /direct-tcpip/.test(log()))).toEqual([true, true, false]);
  });

  it('each of them has to prove its identity; to one that does not nothing is sent, and nobody behind it hears of it', async () => {
    const wrong = { kind: 'fingerprints', list: [server.fingerprint] } as const;
    const logs = [inner, server].map(logFromNow);
    const error = await errorOf({ hops: [hop(outer, 'hop-1'), hop(inner, 'hop-2', { hostKey: wrong })] });
    expect(error).toMatchObject({
      kind: 'host-key',
      message: expect.stringMatching(/^hop-2 is not the host that fingerprint pins/),
    });
    await expect.poll(() => ended(logs[0]?.() ?? '')).toBeGreaterThan(0);
    expect(logs[0]?.()).not.toMatch(/userauth|Accepted|Failed/);
    expect(logs[1]?.()).toBe('');
  });

  it('one without a fingerprint of its own is refused, with the entry to add', async () => {
    const unbound = { kind: 'fingerprints', list: [] } as const;
    expect(await errorOf({ hops: [hop(outer, 'hop-1', { hostKey: unbound })] })).toMatchObject({
      kind: 'host-key',
      message: expect.stringContaining('fingerprint has no entry for it'),
      remedy: expect.stringContaining(`hop-1=${outer.fingerprint}`),
    });
  });

  it('known-hosts pins each by its own name', async () => {
    const text = [outer, inner, server].map(({ knownHosts }) => knownHosts).join('\n');
    const hostKey = { kind: 'known-hosts', text } as const;
    const hops = [hop(outer, 'hop-1', { hostKey }), hop(inner, 'hop-2', { hostKey })];
    await opened({ hops, hostKey });
    const others = { kind: 'known-hosts', text: text.replace(/^.*127\.0\.0\.3.*$/m, '') } as const;
    expect(
      await errorOf({ hops: hops.map((each) => ({ ...each, hostKey: others })), hostKey: others }),
    ).toMatchObject({
      kind: 'host-key',
      message: expect.stringContaining('hop-2 cannot be trusted: known-hosts has no key for it'),
    });
  });

  it('the password is for the host alone', async () => {
    const log = logFromNow(outer);
    const stranger = readPrivateKey(server.key, null);
    const error = await errorOf({ hops: [hop(outer, 'hop-1', { key: stranger })], password: 'hunter2' });
    expect(error).toMatchObject({ kind: 'authentication' });
    expect(error.message).toBe(
      `hop-1 refused to log in '${outer.username}' with the ssh-ed25519 key ${stranger.fingerprint}. It accepts: publickey, password.`,
    );
    await expect.poll(() => ended(log())).toBe(1);
    expect(log()).toContain('method publickey');
    expect(log()).not.toMatch(/method password/);
    expect(await errorOf({ hops: [hop(outer, 'hop-1', { key: null })], password: 'hunter2' })).toMatchObject({
      message: 'There is nothing to log in to hop-1 with.',
      remedy: expect.stringContaining('proxy-key'),
    });
  });

  it('a hop that dies takes the connection with it, and says so', async () => {
    const relay = await startRelay(outer.port, outer.host);
    try {
      const connection = await opened({
        hops: [hop(outer, 'hop-1', { host: '127.0.0.1', port: relay.port })],
      });
      const channel = await connection.exec('sleep 600');
      channel.stdout.resume();
      channel.stderr.resume();
      relay.cut();
      expect(await channel.ended).toMatchObject({ code: null, lost: expect.any(String) });
    } finally {
      await relay.stop();
    }
  });

  it('no agent is forwarded', async () => {
    process.env.SSH_AUTH_SOCK = join(home, 'agent');
    try {
      expect(await output(await opened(), 'echo "agent: $SSH_AUTH_SOCK"')).toBe('agent:');
    } finally {
      delete process.env.SSH_AUTH_SOCK;
    }
  });
});

describe('a hop that', () => {
  it('forwards nothing is told from', async () => {
    const closed = await start({ config: ['AllowTcpForwarding no'], alsoTakes: outer.publicKey });
    expect(await errorOf({ hops: [hop(closed, 'hop-1')] })).toMatchObject({
      kind: 'forwarding',
      message: expect.stringContaining('The login at hop-1 worked, but hop-1 does not forward to host-1'),
      remedy: expect.stringContaining('AllowTcpForwarding'),
    });
  });

  it('lets through to other places alone', async () => {
    const narrow = await start({ config: ['PermitOpen 127.0.0.9:22'], alsoTakes: outer.publicKey });
    expect(await errorOf({ hops: [hop(narrow, 'hop-1')] })).toMatchObject({ kind: 'forwarding' });
  });

  it('is refused by the host', async () => {
    const port = await freePort();
    expect(await errorOf({ port, host: '127.0.0.4', hops: [hop(outer, 'hop-1')] })).toMatchObject({
      kind: 'refused',
      message: `host-1 refused the connection from hop-1 to port ${port}.`,
    });
  });

  it('does not know its name', async () => {
    expect(await errorOf({ host: 'nowhere.invalid' })).toMatchObject({
      kind: 'name',
      message: expect.stringMatching(/^hop-2 does not know the name of host-1/),
      remedy: expect.stringContaining('hop-2 looks the name up'),
    });
  });

  it('has no way to it', async () => {
    expect(await errorOf({ host: '255.255.255.255', hops: [hop(outer, 'hop-1')] })).toMatchObject({
      kind: 'unreachable',
      message: expect.stringMatching(/^hop-1 cannot reach host-1 at port/),
    });
  });

  it('is refused itself', async () => {
    const port = await freePort();
    expect(await errorOf({ hops: [hop(outer, 'bastion', { host: '127.0.0.1', port })] })).toMatchObject({
      kind: 'refused',
      message: `bastion refused the connection to port ${port}.`,
      remedy: expect.stringContaining('Check proxy-jump'),
    });
  });

  it('reaches a host that never answers', async () => {
    const silent = createServer();
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve));
    try {
      const { port } = silent.address() as AddressInfo;
      expect(
        await errorOf({ host: '127.0.0.1', port, timeout: 4_000, hops: [hop(outer, 'hop-1')] }),
      ).toMatchObject({
        kind: 'timeout',
        message: expect.stringContaining('within 4 s (connect-timeout)'),
      });
    } finally {
      silent.close();
    }
  });
});

describe('an IPv6 address', () => {
  it('is one like any other, for a host and for a hop, with its known-hosts line', async () => {
    const six = await start({ listen: '::1', alsoTakes: outer.publicKey });
    const hostKey = { kind: 'known-hosts', text: six.knownHosts } as const;
    expect(six.knownHosts).toMatch(/^\[::1\]:\d+ /);
    await opened({ ...hop(six, 'host-1', { hostKey }), hops: [] });
    await opened({ hops: [hop(six, 'hop-1', { hostKey })] });
  });
});

describe('another try', () => {
  it('comes after 1, 2, 4 and 8 seconds, then every 10', () => {
    expect([1, 2, 3, 4, 5, 6, 7, 8, 9, 10].map(pauseBefore)).toEqual([
      1_000, 2_000, 4_000, 8_000, 10_000, 10_000, 10_000, 10_000, 10_000, 10_000,
    ]);
  });

  it('helps where the host turns away who comes while others log in (MaxStartups), and is told of', async () => {
    const busy = await start({ config: ['MaxStartups 1', 'LoginGraceTime 60'], alsoTakes: server.publicKey });
    const other = connectSocket(busy.port, busy.host);
    other.on('error', () => {});
    await expect.poll(busy.log).toContain('Connection from');
    const said: string[] = [];
    const connection = await opened(
      { ...hop(busy, 'host-1'), key: target().key, hops: [], retries: 1 },
      (text) => {
        said.push(text);
        other.destroy();
      },
    );
    expect(await output(connection, 'echo in')).toBe('in');
    expect(said).toEqual([
      expect.stringMatching(
        /^host-1 accepted the connection to port \d+ and closed it at once\..*Retry 1 of 1 in 1 s\.$/,
      ),
    ]);
  });

  it('that does not help ends with the number of tries', async () => {
    const port = await freePort();
    const said: string[] = [];
    const error = await errorOf({ host: '127.0.0.1', port, hops: [], retries: 1 }, (text) => said.push(text));
    expect(error.message).toBe(`host-1 refused the connection to port ${port}. Gave up after 2 attempts.`);
    expect(said).toHaveLength(1);
  });

  it('never comes after a host key or a login was refused', async () => {
    const log = logFromNow(server);
    const said: string[] = [];
    const direct = { hops: [], retries: 3 };
    const stranger = readPrivateKey(outer.key, null);
    expect(await errorOf({ ...direct, key: stranger }, (text) => said.push(text))).toMatchObject({
      kind: 'authentication',
    });
    expect(await errorOf({ ...direct, hostKey: { kind: 'none' } }, (text) => said.push(text))).toMatchObject({
      kind: 'host-key',
    });
    await expect.poll(() => ended(log())).toBe(2);
    expect(said).toEqual([]);
  });

  it('goes through the hops anew', async () => {
    const port = await freePort();
    const logs = logFromNow(outer);
    await errorOf({ host: '127.0.0.4', port, hops: [hop(outer, 'hop-1')], retries: 1 });
    await expect.poll(() => ended(logs())).toBe(2);
  });
});
