import { closeSync, openSync, readdirSync, readlinkSync, readSync } from 'node:fs';
import { connect } from 'node:net';

/** A TCP port that is listened on. `address` is IPv4 or IPv6 text; `0.0.0.0` and `::` are all addresses. */
export interface ListeningPort {
  port: number;
  address: string;
}

const LISTEN = '0A';
/** The kernel's tables begin with what listens. Before Linux 4.4, half-open connections stand among it. */
const AT_THE_TOP = [LISTEN, '03'];
const CHUNK = 16 * 1024;

/**
 * The TCP ports that any of these processes has open for listening, by port, from /proc; each once.
 * In PM2's cluster mode the daemon holds the sockets of all its cluster apps, and their processes hold none.
 */
export function listeningPorts(pids: readonly number[]): ListeningPort[] {
  const byInode = new Map([...listeners('tcp'), ...listeners('tcp6')]);
  const found = new Map<string, ListeningPort>();
  for (const inode of byInode.size === 0 ? [] : pids.flatMap(socketInodes)) {
    const socket = byInode.get(inode);
    if (socket) found.set(`${socket.address} ${socket.port}`, socket);
  }
  return [...found.values()].sort((a, b) => a.port - b.port || a.address.localeCompare(b.address));
}

/** The addresses on which anything of this host listens on a port. */
export function listeningAddresses(port: number): string[] {
  const sockets = [...listeners('tcp'), ...listeners('tcp6')].map(([, socket]) => socket);
  return [...new Set(sockets.filter((socket) => socket.port === port).map(({ address }) => address))];
}

/** Whether something takes a TCP connection there within `timeLimit` milliseconds. All addresses are asked at loopback. */
export async function accepts(port: number, address: string, timeLimit: number): Promise<boolean> {
  const hosts = address === '0.0.0.0' ? ['127.0.0.1'] : address === '::' ? ['::1', '127.0.0.1'] : [address];
  const deadline = Date.now() + timeLimit;
  for (const host of hosts) {
    if (await connects(port, host, Math.max(1, deadline - Date.now()))) return true;
  }
  return false;
}

function connects(port: number, host: string, timeLimit: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host });
    const settle = (answer: boolean): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve(answer);
    };
    const timer = setTimeout(settle, timeLimit, false);
    socket.once('connect', () => settle(true));
    socket.once('error', () => settle(false));
  });
}

function listeners(table: 'tcp' | 'tcp6'): [inode: string, socket: ListeningPort][] {
  return listenersIn(`/proc/net/${table}`);
}

/** What listens by a table of the kernel's, by inode. */
export function listenersIn(file: string): [inode: string, socket: ListeningPort][] {
  const sockets: [string, ListeningPort][] = [];
  for (const row of rowsOf(file)) {
    const fields = row.trim().split(/\s+/);
    const [address, port] = fields[1]?.split(':') ?? [];
    if (!AT_THE_TOP.includes(fields[3] ?? '')) break;
    if (fields[3] !== LISTEN || !address || !port || !fields[9]) continue;
    sockets.push([fields[9], { address: addressOf(address), port: Number.parseInt(port, 16) }]);
  }
  return sockets;
}

/** The rows below the heading, read only as far as they are asked for: a busy server has very many connections. */
function* rowsOf(file: string): Generator<string> {
  const descriptor = openTable(file);
  if (descriptor === null) return;
  try {
    const chunk = Buffer.alloc(CHUNK);
    let text = '';
    let isHeading = true;
    for (let size = readChunk(descriptor, chunk); size > 0; size = readChunk(descriptor, chunk)) {
      const lines = (text + chunk.toString('latin1', 0, size)).split('\n');
      text = lines.pop() ?? '';
      for (const line of lines) {
        if (!isHeading) yield line;
        isHeading = false;
      }
    }
  } finally {
    closeSync(descriptor);
  }
}

function openTable(file: string): number | null {
  try {
    return openSync(file, 'r');
  } catch {
    return null;
  }
}

function readChunk(descriptor: number, chunk: Buffer): number {
  try {
    return readSync(descriptor, chunk);
  } catch {
    return 0;
  }
}

/** The kernel prints words of four bytes, each as a number of this machine's byte order; all of Node's are little-endian. */
function addressOf(hex: string): string {
  const bytes: number[] = [];
  for (let word = 0; word < hex.length; word += 8) {
    for (let at = word + 6; at >= word; at -= 2) bytes.push(Number.parseInt(hex.slice(at, at + 2), 16));
  }
  if (bytes.length === 4) return bytes.join('.');
  const mapped = bytes.slice(0, 12).every((byte, at) => byte === (at < 10 ? 0 : 255));
  if (mapped) return bytes.slice(12).join('.');
  const groups: string[] = [];
  for (let at = 0; at < 16; at += 2)
    groups.push((((bytes[at] ?? 0) << 8) | (bytes[at + 1] ?? 0)).toString(16));
  const text = groups.join(':');
  const zeros = [...text.matchAll(/(?:^|:)0(?::0)+(?=:|$)/g)].sort((a, b) => b[0].length - a[0].length)[0];
  if (zeros?.index === undefined) return text;
  return `${text.slice(0, zeros.index)}::${text.slice(zeros.index + zeros[0].length + 1)}`;
}

function socketInodes(pid: number): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).flatMap((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1] ?? [];
      } catch {
        return [];
      }
    });
  } catch {
    return [];
  }
}
