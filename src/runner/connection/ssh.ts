import type { Duplex, Readable, Writable } from 'node:stream';
import { NodeSSH } from 'node-ssh';
import type { Client, ClientChannel } from 'ssh2';
import { ConnectError } from '../connect-error.ts';
import {
  type Endpoint,
  type HostKey,
  type HostKeyPolicy,
  readHostKey,
  refusal,
} from '../identity/host-key.ts';
import { authentication, type Credentials } from './authentication.ts';
import type { Container } from './container.ts';
import { forwardError, reasonOf } from './forward-error.ts';
import { handshakeError, notSsh } from './handshake-error.ts';
import type { Limit } from './limit.ts';
import { showable } from './lines.ts';
import { serverHello } from './server-hello.ts';

/** One host and all that is needed to log in there. */
export interface Login extends Endpoint, Credentials {
  hostKey: HostKeyPolicy;
}

export interface Connection {
  label: string;
  /** What is run on the host goes into this container. */
  container?: Container;
  /** Starts a command. Rejects with a `ConnectError` where the host opens no session for it. */
  exec(command: string): Promise<Channel>;
  /** Opens a TCP connection from the host on. Rejects with a `ConnectError`. */
  forward(target: Endpoint): Promise<Duplex>;
  /** Ends the connection, and with it every channel, and those of the hops that led to it. */
  close(): Promise<void>;
}

export interface Channel {
  stdin: Writable;
  stdout: Readable;
  stderr: Readable;
  /** Resolves when both outputs have ended, or the connection was lost. */
  ended: Promise<ChannelEnd>;
}

/** Only a `code` of 0 is success: a command that the connection died under has none. */
export interface ChannelEnd {
  code: number | null;
  signal: string | null;
  /** What ended the connection, where something did. */
  lost: string | null;
}

/** Milliseconds. With those that may stay unanswered, a dead host is noticed within 24 s. */
const KEEPALIVE_EVERY = 6_000;
const KEEPALIVES_MISSED = 3;
/** How long a host may take to close its end, in milliseconds. */
const CLOSE_WITHIN = 1_000;
/** Lines of a login banner that are kept: what is said of a refused account comes by it, and comes last. */
const BANNER_LINES = 8;

/** ssh2's own list without SHA-1: each sshd since OpenSSH 5.9, of 2011, has one of these. */
const MACS = [
  'hmac-sha2-256-etm@openssh.com',
  'hmac-sha2-512-etm@openssh.com',
  'hmac-sha2-256',
  'hmac-sha2-512',
] as const;

export type Attempt =
  | { kind: 'connected'; connection: Connection }
  | { kind: 'refused' }
  | { kind: 'no-other-key' };

export interface Way {
  /** A fresh TCP connection to the host. */
  stream: Duplex;
  /** The hop that it goes through, or null. */
  via: Connection | null;
  limit: Limit;
}

/**
 * Logs in over one TCP connection, asking for host keys by `algorithms`; the key that the host shows is added to
 * `presented`. Nothing that is secret is sent before it was accepted. Throws a `ConnectError`.
 */
export async function logIn(
  login: Login,
  { stream, via, limit }: Way,
  algorithms: string[],
  presented: HostKey[],
): Promise<Attempt> {
  const auth = authentication(login);
  const hello = serverHello();
  const before = presented.length;
  let refused = false;
  const ssh = new NodeSSH();
  const connecting = ssh.connect({
    // Its type asks for a stream that is readable alone, and a forwarded one is a Duplex.
    sock: stream as never,
    username: login.username,
    algorithms: { serverHostKey: algorithms as never, hmac: [...MACS] },
    hostVerifier: (blob: Buffer): boolean => {
      presented.push(readHostKey(blob));
      refused = refusal(login.hostKey, login, presented) !== null;
      return !refused;
    },
    authHandler: (left, partial, next) => {
      limit.phase = 'the login';
      auth.handler(left, partial, next);
    },
    // The limit on the whole stands in for ssh2's own, which begins after the TCP connection.
    readyTimeout: 0,
    keepaliveInterval: KEEPALIVE_EVERY,
    keepaliveCountMax: KEEPALIVES_MISSED,
  });
  // The stream is at rest still, so both of them read it from its first byte on.
  stream.on('data', hello.take);
  const client = ssh.connection;
  if (client === null) throw new Error('node-ssh made no connection');
  let lost: string | null = null;
  // Stays for good: node-ssh leaves none behind, and a late ECONNRESET would end the process.
  client.on('error', (error) => {
    lost ??= error.message;
  });
  const banner: string[] = [];
  client.on('banner', (text) => keepLines(banner, text));
  try {
    await Promise.race([connecting, limit.exceeded]);
    stream.off('data', hello.take);
    return { kind: 'connected', connection: connectionOf(login.label, client, { stream, via }, () => lost) };
  } catch (error) {
    connecting.catch(() => {});
    stream.destroy();
    if (error instanceof ConnectError) throw notSsh(login, hello) ?? error;
    if (refused) return { kind: 'refused' };
    const reason = error instanceof Error ? error.message : String(error);
    if (before > 0 && /no matching host key/i.test(reason)) return { kind: 'no-other-key' };
    const wasRefused = limit.phase === 'the login' && /authentication/i.test(reason);
    const { kind, message, remedy } = wasRefused
      ? auth.refused(login.label)
      : handshakeError(login, hello, limit.phase, reason, banner);
    throw new ConnectError(kind, message, remedy, error, banner);
  }
}

function keepLines(lines: string[], text: string): void {
  lines.push(
    ...text
      .split(/[\r\n]+/)
      .map(showable)
      .filter((line) => line !== ''),
  );
  lines.splice(0, lines.length - BANNER_LINES);
}

function connectionOf(
  label: string,
  client: Client,
  { stream, via }: Pick<Way, 'stream' | 'via'>,
  lost: () => string | null,
): Connection {
  let isClosed = false;
  const closed = new Promise<void>((resolve) => {
    client.once('close', () => {
      isClosed = true;
      resolve();
    });
  });
  // What has died behind a hop that lives would never be closed by it.
  client.on('error', () => void via?.close());
  const howLost = (): string | null => (isClosed ? (lost() ?? 'the host closed it') : null);
  return {
    label,
    exec: (command) =>
      new Promise((resolve, reject) => {
        const refuse = (error: unknown): void => reject(channelError(label, error));
        try {
          client.exec(command, (error, channel) => {
            if (error) refuse(error);
            else resolve(channelOf(channel, howLost));
          });
        } catch (error) {
          refuse(error);
        }
      }),
    forward: (target) =>
      new Promise((resolve, reject) => {
        const refuse = (error: unknown): void => reject(forwardError(label, target, error));
        try {
          // The address that it comes from is for the host's log alone.
          client.forwardOut('127.0.0.1', 0, target.host, target.port, (error, channel) => {
            if (error) refuse(error);
            else resolve(channel);
          });
        } catch (error) {
          refuse(error);
        }
      }),
    async close() {
      client.end();
      // Its own end goes out before: the hop's follows it on the same stream.
      const before = via?.close();
      const late = setTimeout(() => stream.destroy(), CLOSE_WITHIN);
      if (!isClosed) await closed;
      clearTimeout(late);
      await before;
    },
  };
}

function channelError(label: string, error: unknown): ConnectError {
  const reason = showable(reasonOf(error));
  return new ConnectError(
    'channel',
    `The login at ${label} worked, but the server started no command (${reason}).`,
    'Check that the user may run commands there. See MaxSessions and ForceCommand in sshd_config, and the options before the key in authorized_keys.',
    error,
  );
}

function channelOf(channel: ClientChannel, lost: () => string | null): Channel {
  let code: number | null = null;
  let signal: string | null = null;
  channel.on('exit', (exitCode: number | null, exitSignal?: string) => {
    code = exitCode;
    signal = exitSignal ?? null;
  });
  // Writing to a channel that the host has closed is no news: `ended` tells.
  channel.on('error', () => {});
  return {
    stdin: channel,
    stdout: channel,
    stderr: channel.stderr,
    ended: new Promise((resolve) =>
      channel.once('close', () => resolve({ code, signal, lost: code === null ? lost() : null })),
    ),
  };
}
