import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { listeningPorts } from '../health/listening.ts';

/** Two processes listen on the port: half of the tries meet the other one. */
const TRIES = 60;
/** Milliseconds. */
const CONNECTS_WITHIN = 1_000;
const TAKEN_WITHIN = 500;
const LOOK_EVERY = 10;

/**
 * A connection to this port that one of these processes has taken, whoever else listens there; null where none of them
 * takes any.
 */
export async function connectionTo(pids: readonly number[], port: number): Promise<Socket | null> {
  const addresses = listeningPorts(pids).flatMap((one) => (one.port === port ? [loopback(one.address)] : []));
  if (addresses.length === 0) return null;
  for (let tries = 0; tries < TRIES; tries++) {
    const socket = await open(port, addresses[tries % addresses.length] ?? '127.0.0.1');
    if (socket === null) continue;
    const inode = await takenInode(port, socket.localPort ?? 0);
    if (inode !== null && pids.some((pid) => holds(pid, `socket:[${inode}]`))) return socket;
    socket.destroy();
  }
  return null;
}

function loopback(address: string): string {
  return address === '0.0.0.0' || address === '::' ? '127.0.0.1' : address;
}

function open(port: number, host: string): Promise<Socket | null> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const settle = (result: Socket | null): void => {
      clearTimeout(timer);
      if (result === null) socket.destroy();
      resolve(result);
    };
    const timer = setTimeout(settle, CONNECTS_WITHIN, null);
    socket.once('connect', () => settle(socket));
    // Later on it is the caller's to see.
    socket.on('error', () => settle(null));
  });
}

/** The inode of the server's side of a connection. A connection that waits to be accepted has none. */
async function takenInode(port: number, from: number): Promise<string | null> {
  const deadline = Date.now() + TAKEN_WITHIN;
  const hex = (number: number): string => `:${number.toString(16).toUpperCase().padStart(4, '0')}`;
  for (;;) {
    for (const table of ['tcp', 'tcp6']) {
      for (const line of textOf(`/proc/net/${table}`).split('\n')) {
        const [, local, remote, , , , , , , inode] = line.trim().split(/\s+/);
        if (local?.endsWith(hex(port)) && remote?.endsWith(hex(from)) && inode !== undefined && inode !== '0')
          return inode;
      }
    }
    if (Date.now() > deadline) return null;
    await sleep(LOOK_EVERY);
  }
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'latin1');
  } catch {
    return '';
  }
}

function holds(pid: number, link: string): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      try {
        return readlinkSync(`/proc/${pid}/fd/${fd}`) === link;
      } catch {
        return false;
      }
    });
  } catch {
    return false;
  }
}
