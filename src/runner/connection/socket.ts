import { connect as connectSocket, isIP, type Socket } from 'node:net';
import type { Endpoint } from '../identity/host-key.ts';
import type { Limit } from './limit.ts';
import { tcpError } from './tcp-error.ts';

/** Opens the TCP connection. Throws a `ConnectError`. */
export function openSocket(target: Endpoint, limit: Limit): Promise<Socket> {
  limit.phase = isIP(target.host) === 0 ? 'the name lookup' : 'reaching it';
  const socket = connectSocket({
    host: target.host,
    port: target.port,
    // With Nagle's algorithm each small packet of the handshake waits for the host's delayed acknowledgement.
    noDelay: true,
    // Node's own limit for one of several addresses, 250 ms, is too short for a far host.
    autoSelectFamilyAttemptTimeout: 3_000,
  });
  socket.once('lookup', () => {
    limit.phase = 'reaching it';
  });
  const connected = new Promise<Socket>((resolve, reject) => {
    socket.once('connect', () => resolve(socket));
    // Stays for good, as the client's does.
    socket.on('error', (error: NodeJS.ErrnoException) => reject(tcpError(target, error)));
  });
  connected.catch(() => {});
  return Promise.race([connected, limit.exceeded]).catch((error) => {
    socket.destroy();
    throw error;
  });
}
