import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { join } from 'node:path';
import { realOrSame } from '../system/paths.ts';
import { allPids } from '../system/processes.ts';
import type { Rpc } from './rpc.ts';

/**
 * The pid of the daemon that serves `pm2Home`, or null where none does. `pm2.pid` is only a hint, since it outlives
 * a daemon that was killed: the process must hold the listening socket.
 */
export function daemonPid(pm2Home: string): number | null {
  const inodes = listeningInodes(join(pm2Home, 'rpc.sock'));
  if (inodes.size === 0) return null;
  const noted = Number(readText(join(pm2Home, 'pm2.pid')));
  if (Number.isInteger(noted) && noted > 0 && holds(noted, inodes)) return noted;
  return allPids().find((pid) => holds(pid, inodes)) ?? null;
}

/** What a daemon was started as. */
export interface DaemonStart {
  /** `…/pm2/lib/Daemon.js`, which tells its installation; null where it does not say. */
  script: string | null;
  /** The version of its Node, `v20.11.1`; null where it does not say. */
  node: string | null;
}

export async function daemonStart(rpc: Rpc, timeLimit: number): Promise<DaemonStart> {
  // The report carries the daemon's environment as well: nothing else is taken from it.
  const report = (await rpc.call('getReport', [{}], timeLimit)) as {
    argv?: unknown;
    node_version?: unknown;
  } | null;
  const script: unknown = Array.isArray(report?.argv) ? report.argv[1] : null;
  const [, node] = /^v?(\d.*)$/.exec(String(report?.node_version)) ?? [];
  return {
    script: typeof script === 'string' ? script : null,
    node: node === undefined ? null : `v${node}`,
  };
}

/** Inodes of the sockets that listen at `path`, under whatever name they were bound. */
function listeningInodes(path: string): Set<string> {
  const inodes = new Set<string>();
  const wanted = realOrSame(path);
  for (const line of readText('/proc/net/unix').split('\n')) {
    // Num RefCount Protocol Flags Type St Inode Path; the flag says that it accepts connections.
    const match = /^\S+ \S+ \S+ (\S+) \S+ \S+ +(\d+) (.+)$/.exec(line);
    if (!match?.[1] || !match[2] || !match[3]?.endsWith('/rpc.sock')) continue;
    if ((Number.parseInt(match[1], 16) & 0x10000) !== 0 && realOrSame(match[3]) === wanted)
      inodes.add(match[2]);
  }
  return inodes;
}

function holds(pid: number, inodes: ReadonlySet<string>): boolean {
  try {
    return readdirSync(`/proc/${pid}/fd`).some((fd) => {
      const inode = /^socket:\[(\d+)\]$/.exec(linkOf(`/proc/${pid}/fd/${fd}`))?.[1];
      return inode !== undefined && inodes.has(inode);
    });
  } catch {
    return false;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

function readText(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}
