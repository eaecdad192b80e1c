import { type ChildProcessWithoutNullStreams, spawn } from 'node:child_process';
import { createHash, timingSafeEqual } from 'node:crypto';
import net, { type AddressInfo, type Socket } from 'node:net';
import ssh2, { type AuthContext, type Connection, type ParsedKey, type ServerChannel } from 'ssh2';
import type { Control } from '../../src/protocol.ts';

/** What crossed the wire after the login. */
export interface Traffic {
  connections: number;
  /** Commands that were asked for. */
  execs: number;
  /** Each exec, and each time that the client spoke again after the server had. Heartbeats do not count. */
  roundTrips: number;
  bytesIn: number;
  bytesOut: number;
}

/** An SSH server inside this process: no root, no sshd. It takes one key and runs commands with `sh -c`. */
export interface EmbeddedSsh {
  /** The inputs of the action that say how to reach it. */
  access: { host: string; port: string; username: string; key: string; 'known-hosts': string };
  /** `SHA256:…` of its host key. */
  fingerprint: string;
  traffic(): Traffic;
  /** Ends the server and its connections; like sshd, it leaves what they started alone. */
  stop(): Promise<void>;
}

/**
 * Starts the server on a free loopback port. Commands run in `home`, with `env` and nothing else;
 * `onOutput` sees what they print.
 */
export async function startEmbeddedSsh(
  home: string,
  env: Record<string, string>,
  onOutput: (chunk: Buffer) => void = () => {},
): Promise<EmbeddedSsh> {
  const hostKey = generateKeyPair();
  const userKey = generateKeyPair();
  const allowed = parsed(userKey.public);
  const traffic: Traffic = { connections: 0, execs: 0, roundTrips: 0, bytesIn: 0, bytesOut: 0 };
  const ssh = new ssh2.Server({ hostKeys: [hostKey.private] }, (client) => {
    traffic.connections++;
    serve(client, allowed, (channel, command) => execute(channel, command));
  });
  const execute = (channel: ServerChannel, command: string): void => {
    const child = spawn('/bin/sh', ['-c', command], { cwd: home, env, detached: true });
    for (const stream of [child.stdout, child.stderr]) stream.on('data', onOutput);
    count(traffic, channel, child);
    join(channel, child);
  };
  const sockets = new Set<Socket>();
  // The server's own listener would leave Nagle's algorithm on, and every round trip 40 ms longer.
  const listener = net.createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.once('close', () => sockets.delete(socket));
    ssh.injectSocket(socket);
  });
  await new Promise<void>((resolve, reject) => {
    listener.once('error', reject).listen(0, '127.0.0.1', resolve);
  });
  const { port } = listener.address() as AddressInfo;
  const blob = parsed(hostKey.public).getPublicSSH();
  return {
    access: {
      host: '127.0.0.1',
      port: String(port),
      username: 'deploy',
      key: userKey.private,
      'known-hosts': `[127.0.0.1]:${port} ssh-ed25519 ${blob.toString('base64')}`,
    },
    fingerprint: `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`,
    traffic: () => ({ ...traffic }),
    async stop() {
      const closed = new Promise((resolve) => listener.close(resolve));
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}

/**
 * A key pair in OpenSSH's format. ssh2 1.17 drops leading zero bytes of a public Ed25519 key, so that one pair in 256
 * is not a key: it is thrown away.
 */
export function generateKeyPair(): { public: string; private: string } {
  for (;;) {
    const pair = ssh2.utils.generateKeyPairSync('ed25519');
    if (!(ssh2.utils.parseKey(pair.private) instanceof Error)) return pair;
  }
}

function parsed(publicKey: string): ParsedKey {
  const key = ssh2.utils.parseKey(publicKey);
  if (key instanceof Error) throw key;
  return key;
}

function serve(
  client: Connection,
  allowed: ParsedKey,
  onExec: (channel: ServerChannel, command: string) => void,
): void {
  // A client that vanishes is everyday life for a server.
  client.on('error', () => {});
  client.on('authentication', (context) => {
    if (isAllowed(context, allowed)) context.accept();
    else context.reject(['publickey']);
  });
  client.on('session', (accept) => {
    accept().on('exec', (acceptExec, _reject, { command }) => onExec(acceptExec(), command));
  });
}

function isAllowed(context: AuthContext, allowed: ParsedKey): boolean {
  if (context.method !== 'publickey') return false;
  const own = allowed.getPublicSSH();
  if (context.key.data.length !== own.length || !timingSafeEqual(context.key.data, own)) return false;
  // Without a signature the client only asks whether this key would do.
  if (!context.signature || !context.blob) return true;
  return allowed.verify(context.blob, context.signature, context.hashAlgo) === true;
}

/** The runner sends it by the clock, so a slow deploy has more of them. Nothing waits for it. */
const HEARTBEAT = `${JSON.stringify({ type: 'heartbeat' } satisfies Control)}\n`;

function count(traffic: Traffic, channel: ServerChannel, child: ChildProcessWithoutNullStreams): void {
  traffic.execs++;
  traffic.roundTrips++;
  let clientSpokeLast = true;
  channel.on('data', (chunk: Buffer) => {
    traffic.bytesIn += chunk.length;
    if (chunk.toString('latin1') === HEARTBEAT) return;
    if (!clientSpokeLast) traffic.roundTrips++;
    clientSpokeLast = true;
  });
  for (const stream of [child.stdout, child.stderr]) {
    stream.on('data', (chunk: Buffer) => {
      clientSpokeLast = false;
      traffic.bytesOut += chunk.length;
    });
  }
}

/** Ties a command's streams and its end to a channel, as sshd does. */
function join(channel: ServerChannel, child: ChildProcessWithoutNullStreams): void {
  channel.pipe(child.stdin);
  child.stdout.pipe(channel, { end: false });
  child.stderr.pipe(channel.stderr, { end: false });
  // A command that reads no input ends as it ends; that its pipe broke is no news.
  child.stdin.on('error', () => {});
  channel.on('error', () => {});
  channel.on('close', () => {
    // The link is gone: the command loses its streams and is left alone.
    child.stdin.end();
    child.stdout.destroy();
    child.stderr.destroy();
  });
  child.on('error', () => channel.close());
  child.on('close', (code, signal) => {
    if (signal !== null) channel.exit(signal.replace('SIG', ''));
    else channel.exit(code ?? 1);
    channel.end();
  });
}
