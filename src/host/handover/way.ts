import type { Plan } from '../../protocol.ts';
import { type NodeVersion, sharesPorts } from '../system/node-version.ts';
import type { Listener } from './app-sockets.ts';

/** How the running instances of an app in fork mode are replaced. */
export type Way =
  | { kind: 'handover'; ports: number[] }
  /** PM2 stops and starts it. `why`, and what would end it, are sentences; null where it is not even online. */
  | { kind: 'restart'; why: string | null };

/** What is known of an app in fork mode that runs. */
export interface ForkApp {
  name: string;
  handover: Plan['handover'];
  /** The Node that the new version will run; null where it is none that can be told. */
  version: NodeVersion | null;
  /** Whether it is to be started with the preload. */
  preloaded: boolean;
  watched: boolean;
  /** Whether PM2 counts a variable up from one instance to the next. */
  counted: boolean;
  online: boolean;
  listeners: readonly Listener[];
  /** The PORT of its environment as it runs, and as the new version has it. */
  oldPort: number | null;
  newPort: number | null;
  /** The first and last port that the kernel gives away by itself. */
  anyPorts: readonly [number, number];
  /** Bytes: what it has, and what is free. */
  memory: number;
  free: number;
}

const MIB = 1024 * 1024;
/** The new version may need more than the old one. */
const MORE_MEMORY = 1.5;

export function wayOf(app: ForkApp): Way {
  const ports = requiredPorts(app);
  if (!app.online) return { kind: 'restart', why: null };
  // A job or a worker: two of them at once may do harm.
  if (ports.length === 0) return { kind: 'restart', why: 'it listens on no TCP port that could be shared.' };
  const why = whyNot(app);
  return why === null ? { kind: 'handover', ports } : { kind: 'restart', why };
}

function whyNot({
  handover,
  version,
  preloaded,
  watched,
  counted,
  listeners,
  memory,
  free,
}: ForkApp): string | null {
  if (handover === 'off') return 'handover is off.';
  if (version === null)
    return 'PM2 does not start it with Node, so its port cannot be shared. Have a proxy in front of it retry.';
  if (!sharesPorts(version) || !preloaded)
    return `Node ${version.join('.')} cannot share a port. Node 22.12 or later can.`;
  if (watched) return 'PM2 watches its files (watch), and restarts it when they change. Turn watch off.';
  if (counted) return 'PM2 counts a variable of it up (increment_var) with a start alone.';
  const listening = listeners.filter(({ ports }) => ports.length > 0);
  if (!listening.some(({ drains }) => drains))
    return 'its process was started without the means to share its port. From the next deploy on nothing is lost.';
  if (!listening.every(({ shares }) => shares))
    return 'one of its processes cannot share its port, since another program had it first, or it is not opened by Node.';
  if (memory * MORE_MEMORY > free)
    return `there is not enough memory for two instances: it has ${Math.ceil(memory / MIB)} MiB, and ${Math.floor(free / MIB)} MiB are free.`;
  return null;
}

/**
 * Where the successor must listen before the old instance goes: its PORT, and what else it listens on, but for ports that
 * the kernel seems to have chosen, which differ each time.
 */
export function requiredPorts({ listeners, oldPort, newPort, anyPorts: [first, last] }: ForkApp): number[] {
  const all = [...new Set(listeners.flatMap(({ ports }) => ports))];
  const fixed = all.filter((port) => port === oldPort || port < first || port > last);
  const required = new Set(fixed.length > 0 ? fixed : all);
  // A port that the code or an env file named is given up for the first PORT in the settings, if it is the only one.
  const replaced = oldPort ?? (required.size === 1 ? [...required][0] : null) ?? null;
  if (replaced !== null && newPort !== null && required.has(replaced)) {
    required.delete(replaced);
    required.add(newPort);
  }
  return [...required].sort((a, b) => a - b);
}
