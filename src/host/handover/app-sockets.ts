import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { listeningPorts } from '../health/listening.ts';
import { descendantsOf } from '../system/processes.ts';
import { PRELOAD_OPENED } from './preload-file.ts';

/** One process of an app that listens. */
export interface Listener {
  pid: number;
  /** TCP ports, each once. */
  ports: number[];
  /** Whether our preload can drain it now, and whether all its ports can be shared. */
  drains: boolean;
  shares: boolean;
}

/** The processes that listen, of the one that PM2 started and of all that it started in turn. */
export function listenersOf(root: number): Listener[] {
  return [root, ...descendantsOf(root)].flatMap((pid) => {
    const ports = [...new Set(listeningPorts([pid]).map(({ port }) => port))];
    const marks = marksOf(pid);
    return ports.length === 0 && marks === 0 ? [] : [{ pid, ports, drains: marks > 0, shares: marks > 1 }];
  });
}

/** All ports of an app, in order. */
export function portsOf(listeners: readonly Listener[]): number[] {
  return [...new Set(listeners.flatMap(({ ports }) => ports))].sort((a, b) => a - b);
}

/** How often a process has the preload open: 1 while it can be drained, 2 while its ports can be shared too, else 0. */
export function marksOf(pid: number): number {
  try {
    return readdirSync(`/proc/${pid}/fd`).filter((fd) => PRELOAD_OPENED.test(linkOf(`/proc/${pid}/fd/${fd}`)))
      .length;
  } catch {
    return 0;
  }
}

function linkOf(path: string): string {
  try {
    return readlinkSync(path);
  } catch {
    return '';
  }
}

/** Bytes of memory that these processes have for themselves. */
export function memoryOf(pids: readonly number[]): number {
  return pids.reduce((sum, pid) => {
    try {
      const [, kilobytes] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, 'latin1')) ?? [];
      return sum + Number(kilobytes ?? 0) * 1024;
    } catch {
      return sum;
    }
  }, 0);
}

/** Bytes of memory that are left on this host; Infinity where it does not say. */
export function freeMemory(): number {
  try {
    const [, kilobytes] = /^MemAvailable:\s+(\d+) kB$/m.exec(readFileSync('/proc/meminfo', 'latin1')) ?? [];
    return kilobytes === undefined ? Number.POSITIVE_INFINITY : Number(kilobytes) * 1024;
  } catch {
    return Number.POSITIVE_INFINITY;
  }
}
