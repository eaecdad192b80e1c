import { connect as connectSocket, type Socket } from 'node:net';
import { ConnectError } from './connect-error.ts';
import type { Endpoint } from './host-key.ts';

export interface Limit {
  /** What is under way, for the message. */
  phase: string;
  /** Rejects when the time is up. */
  exceeded: Promise<never>;
  stop(): void;
}

/** Starts the one time limit for everything up to the login; `timeout` in milliseconds. */
export function startLimit(target: Endpoint, timeout: number): Limit {
  let timer: NodeJS.Timeout | undefined;
  const limit: Limit = {
    phase: 'reaching it',
    exceeded: new Promise((_, reject) => {
      timer = setTimeout(() => {
        const message = `${target.label} took longer than ${timeout / 1000} s (connect-timeout): ${limit.phase} did not end.`;
        const remedy =
          limit.phase === 'reaching it'
            ? `Check host and port ${target.port}, and that a firewall lets this runner's address in.`
            : 'Check the load of the host and its name server (UseDNS in sshd_config), or raise connect-timeout.';
        reject(new ConnectError('timeout', message, remedy));
      }, timeout);
    }),
    stop: () => clearTimeout(timer),
  };
  limit.exceeded.catch(() => {});
  return limit;
}

/** Opens the TCP connection. Throws a `ConnectError`. */
export function openSocket(target: Endpoint, limit: Limit): Promise<Socket> {
  const socket = connectSocket({
    host: target.host,
    port: target.port,
    // With Nagle's algorithm each small packet of the handshake waits for the host's delayed acknowledgement.
    noDelay: true,
    // Node's own limit for one of several addresses, 250 ms, is too short for a far host.
    autoSelectFamilyAttemptTimeout: 3_000,
  });
  const connected = new Promise<Socket>((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    // Stays for good, as the client's does.
    socket.on('error', (error: NodeJS.ErrnoException) => reject(socketError(target, error)));
  });
  connected.catch(() => {});
  return Promise.race([connected, limit.exceeded]).catch((error) => {
    socket.destroy();
    throw error;
  });
}

function socketError(target: Endpoint, error: NodeJS.ErrnoException): ConnectError {
  const { label, port } = target;
  const where = target.shownHost === null ? label : `${label} (${target.shownHost})`;
  switch (error.code) {
    case 'ENOTFOUND':
    case 'EAI_AGAIN':
      return new ConnectError(
        'name',
        `The name of ${where} could not be looked up (${error.code}).`,
        'Check host for a typing error. A name of a private network can be looked up only inside it.',
        error,
      );
    case 'ECONNREFUSED':
      return new ConnectError(
        'refused',
        `${where} refused the connection to port ${port}.`,
        'Check port, and that the SSH server runs there.',
        error,
      );
    default:
      return new ConnectError(
        'unreachable',
        `${where} could not be reached at port ${port} (${error.code ?? error.message}).`,
        "Check host and port, and that a firewall lets this runner's address in.",
        error,
      );
  }
}
