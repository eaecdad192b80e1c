import type { Socket } from 'node:net';
import type { Readable, Writable } from 'node:stream';
import { NodeSSH } from 'node-ssh';
import type { Client, ClientChannel } from 'ssh2';
import { authentication, type Credentials } from './authentication.ts';
import { ConnectError } from './connect-error.ts';
import {
  type Endpoint,
  type HostKey,
  type HostKeyPolicy,
  hostKeyAlgorithms,
  readHostKey,
  refusal,
} from './host-key.ts';
import { type Limit, openSocket, startLimit } from './socket.ts';

/** One host and all that is needed to log in there. */
export interface Target extends Endpoint, Credentials {
  hostKey: HostKeyPolicy;
  /** Milliseconds for everything from the name lookup to the login. */
  timeout: number;
}

export interface Connection {
  label: string;
  /** Starts a command. Rejects with a `ConnectError` where the host opens no session for it. */
  exec(command: string): Promise<Channel>;
  /** Ends the connection, and with it every channel. */
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

const KEEPALIVE_EVERY = 10_000;
/** Keepalives that may stay unanswered. */
const KEEPALIVES_MISSED = 3;
/** How long a host may take to close its end, in milliseconds. */
const CLOSE_WITHIN = 1_000;

/**
 * Connects and logs in. Nothing that is secret is sent before the host key was accepted.
 * Throws a `ConnectError`.
 */
export async function connect(target: Target): Promise<Connection> {
  if (target.key === null && target.password === null && target.agent === null) {
    throw new ConnectError(
      'authentication',
      `There is nothing to log in to ${target.label} with.`,
      'Set key or password, or start an ssh-agent in an earlier step.',
    );
  }
  const limit = startLimit(target, target.timeout);
  const presented: HostKey[] = [];
  try {
    for (;;) {
      const algorithms = hostKeyAlgorithms(target.hostKey, target, presented);
      const attempt = await attemptLogin(target, algorithms, presented, limit);
      if (attempt.kind === 'connected') return attempt.connection;
      // A host has one key of each type, and which one is pinned by a fingerprint cannot be seen from it.
      const another = target.hostKey.kind === 'fingerprints' && attempt.kind === 'refused';
      if (!another || hostKeyAlgorithms(target.hostKey, target, presented).length === 0) {
        throw hostKeyError(target, presented);
      }
    }
  } finally {
    limit.stop();
  }
}

function hostKeyError(target: Target, presented: readonly HostKey[]): ConnectError {
  const refused = refusal(target.hostKey, target, presented);
  return new ConnectError(
    'host-key',
    refused?.message ?? `${target.label} presented no host key.`,
    refused?.remedy ?? null,
  );
}

type Attempt = { kind: 'connected'; connection: Connection } | { kind: 'refused' } | { kind: 'no-other-key' };

/** Makes one TCP connection and logs in over it; the host key that it was shown is added to `presented`. */
async function attemptLogin(
  target: Target,
  algorithms: string[],
  presented: HostKey[],
  limit: Limit,
): Promise<Attempt> {
  limit.phase = 'reaching it';
  const socket = await openSocket(target, limit);
  limit.phase = 'the SSH handshake';
  const auth = authentication(target);
  const before = presented.length;
  let refused = false;
  const ssh = new NodeSSH();
  const connecting = ssh.connect({
    sock: socket,
    username: target.username,
    algorithms: { serverHostKey: algorithms as never },
    hostVerifier: (blob: Buffer): boolean => {
      presented.push(readHostKey(blob));
      refused = refusal(target.hostKey, target, presented) !== null;
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
  const client = ssh.connection;
  if (client === null) throw new Error('node-ssh made no connection');
  let lost: string | null = null;
  // Stays for good: node-ssh leaves none behind, and a late ECONNRESET would end the process.
  client.on('error', (error) => {
    lost ??= error.message;
  });
  try {
    await Promise.race([connecting, limit.exceeded]);
    return { kind: 'connected', connection: connectionOf(target.label, client, socket, () => lost) };
  } catch (error) {
    connecting.catch(() => {});
    socket.destroy();
    if (error instanceof ConnectError) throw error;
    if (refused) return { kind: 'refused' };
    const reason = error instanceof Error ? error.message : String(error);
    if (before > 0 && /no matching host key/i.test(reason)) return { kind: 'no-other-key' };
    if (limit.phase === 'the login' && /authentication/i.test(reason)) throw auth.refused(target.label);
    throw handshakeError(target, limit.phase, reason, error);
  }
}

function handshakeError(target: Target, phase: string, reason: string, cause: unknown): ConnectError {
  const unmatched = /no matching (.+)$/i.exec(reason)?.[1];
  if (unmatched !== undefined) {
    return new ConnectError(
      'algorithms',
      `${target.label} and this action have no ${unmatched.replace('host key format', 'host key algorithm')} in common.`,
      `Update the SSH server on ${target.label}, or allow a current algorithm in its sshd_config.`,
      cause,
    );
  }
  return new ConnectError(
    'lost',
    `${target.label} ended the connection during ${phase} (${reason}).`,
    `Check that an SSH server answers at port ${target.port}, and that it does not turn this runner away (MaxStartups, fail2ban, hosts.deny).`,
    cause,
  );
}

function connectionOf(label: string, client: Client, socket: Socket, lost: () => string | null): Connection {
  const closed = new Promise<void>((resolve) => {
    socket.once('close', () => resolve());
  });
  return {
    label,
    exec: (command) =>
      new Promise((resolve, reject) => {
        const refuse = (error: unknown): void => reject(channelError(label, error));
        try {
          client.exec(command, (error, channel) => {
            if (error) refuse(error);
            else
              resolve(channelOf(channel, () => (socket.destroyed ? (lost() ?? 'the host closed it') : null)));
          });
        } catch (error) {
          refuse(error);
        }
      }),
    async close() {
      client.end();
      const late = setTimeout(() => socket.destroy(), CLOSE_WITHIN);
      if (!socket.closed) await closed;
      clearTimeout(late);
    },
  };
}

function channelError(label: string, error: unknown): ConnectError {
  const reason = error instanceof Error ? error.message : String(error);
  return new ConnectError(
    'channel',
    `${label} let us in, but started no command (${reason}).`,
    'Check that the user may run commands there: MaxSessions and ForceCommand in sshd_config, and options before the key in authorized_keys.',
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
