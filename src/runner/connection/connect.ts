import type { Duplex } from 'node:stream';
import { ConnectError } from '../connect-error.ts';
import { type HostKey, hostKeyAlgorithms, refusal } from '../identity/host-key.ts';
import type { Container } from './container.ts';
import { type Limit, startLimit } from './limit.ts';
import { retrying } from './retry.ts';
import { openSocket } from './socket.ts';
import { type Connection, type Login, logIn } from './ssh.ts';

/** A host to go through. It has a login of its own, and never the password. */
export type Hop = Omit<Login, 'password'>;

/** The host to connect to, and the way there. */
export interface Destination extends Login {
  /** In the order in which they are gone through; default none. */
  hops?: readonly Hop[];
  /** Where the deploy runs on the host; default the host itself. */
  container?: Container;
  /** Milliseconds for one try: everything from the name lookup of the first hop to the login at the destination. */
  timeout: number;
  /** Further tries where one fails before a login; default none. */
  retries?: number;
}

/**
 * Connects and logs in, by way of the hops, each of which proves its identity like the destination. `say` tells of retries.
 * Throws a `ConnectError`.
 */
export async function connect(
  destination: Destination,
  say: (text: string) => void = () => {},
): Promise<Connection> {
  const logins = [...(destination.hops ?? []).map((hop) => ({ ...hop, password: null })), destination];
  for (const login of logins) requireCredentials(login, destination);
  return retrying(() => connectOnce(logins, destination), destination.retries ?? 0, say);
}

/** How a host is reached again. */
export interface Link {
  /** Connects within so many milliseconds. Throws a `ConnectError`. */
  connect(timeout: number): Promise<Connection>;
  /** Milliseconds before each try, at most; the least is half of it. So many tries there are. */
  pauses?: readonly number[];
  /** Milliseconds for all tries. With those in which the loss showed they are less than the host's lease. */
  within?: number;
}

/** How the destination is reached again after a loss. Whoever asks for it has tries of his own. */
export function linkTo(destination: Destination): Link {
  return {
    connect: (timeout) =>
      connect({ ...destination, retries: 0, timeout: Math.min(destination.timeout, timeout) }),
  };
}

function requireCredentials({ label, key, password, agent }: Login, destination: Destination): void {
  if (key !== null || password !== null || agent !== null) return;
  throw new ConnectError(
    'authentication',
    `There is nothing to log in to ${label} with.`,
    label === destination.label
      ? 'Set key or password, or start an ssh-agent in an earlier step.'
      : 'Set proxy-key: a hop never gets the password.',
  );
}

async function connectOnce(logins: readonly Login[], destination: Destination): Promise<Connection> {
  const limit = startLimit(destination, destination.timeout);
  let reached: Connection | null = null;
  try {
    for (const login of logins) reached = await connectFrom(reached, login, limit);
  } catch (error) {
    await reached?.close();
    throw error;
  } finally {
    limit.stop();
  }
  if (reached === null) throw new Error('there is no host to connect to');
  return destination.container === undefined ? reached : { ...reached, container: destination.container };
}

/** Connects to one host, from the one that was reached before it, or from here. */
async function connectFrom(via: Connection | null, login: Login, limit: Limit): Promise<Connection> {
  const presented: HostKey[] = [];
  for (;;) {
    const algorithms = hostKeyAlgorithms(login.hostKey, login, presented);
    const stream = await openStream(via, login, limit);
    limit.phase = 'the SSH handshake';
    const attempt = await logIn(login, { stream, via, limit }, algorithms, presented);
    if (attempt.kind === 'connected') return attempt.connection;
    // A host has one key of each type, and which one is pinned by a fingerprint cannot be seen from it.
    const another = login.hostKey.kind === 'fingerprints' && attempt.kind === 'refused';
    if (!another || hostKeyAlgorithms(login.hostKey, login, presented).length === 0) {
      throw hostKeyError(login, presented);
    }
  }
}

function openStream(via: Connection | null, login: Login, limit: Limit): Promise<Duplex> {
  limit.at = login;
  limit.from = via?.label ?? null;
  if (via === null) return openSocket(login, limit);
  limit.phase = 'reaching it';
  return Promise.race([via.forward(login), limit.exceeded]);
}

function hostKeyError(login: Login, presented: readonly HostKey[]): ConnectError {
  const refused = refusal(login.hostKey, login, presented);
  return new ConnectError(
    'host-key',
    refused?.message ?? `${login.label} presented no host key.`,
    refused?.remedy ?? null,
  );
}
