import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, inform, warn } from '../context.ts';
import { complaintAbout } from '../health/health-request.ts';
import type { Instance } from '../pm2/list.ts';
import { DeployFailure } from '../system/failure.ts';
import { descendantsOf } from '../system/processes.ts';
import { type Listener, listenersOf, portsOf } from './app-sockets.ts';
import { connectionTo } from './own-connection.ts';
import { whileQueuesMigrate } from './queue-migration.ts';

/** Milliseconds. */
const LOOK_EVERY = 50;
/** The preload itself ends a drain after 30 s. */
const DRAINS_WITHIN = 35_000;

export interface Handover {
  old: Instance;
  /** Where the successor must listen. */
  ports: readonly number[];
  /** What it must answer with 2xx itself, and on which of its ports; null where nothing is asked. */
  health: { url: string; port: number } | null;
  /** Milliseconds that it has until it listens and is healthy; the old one serves meanwhile. */
  timeLimit: number;
  /** Carried by the successor's entry until it is started. */
  deployId: string;
  /** Has PM2 start the entry of this id with the new version's settings, and resolves once PM2 has. */
  start(id: number): Promise<void>;
}

type Shared = Pick<Context, 'pm2' | 'log' | 'clock'>;

/**
 * Replaces one instance in fork mode by a second one on the same port: it starts, it is healthy, and only then the old one
 * is drained and removed. Where the successor fails it is removed, the old one serves on, and a `DeployFailure` is thrown.
 */
export async function handOver(context: Shared, handover: Handover): Promise<void> {
  const { pm2, log } = context;
  const { old, deployId, ports, health } = handover;
  const id = await pm2.prepareTwin(old, `next-${deployId}`);
  inform(
    log,
    `'${old.name}': a second instance (pm2 id ${id}) starts beside the old one (pm2 id ${old.pmId}).`,
  );
  try {
    await handover.start(id);
    const deadline = performance.now() + handover.timeLimit;
    const successor = await untilListening(context, old.name, id, ports, deadline);
    if (health !== null) await untilHealthy(context, successor, health, deadline);
  } catch (error) {
    await retire(context, id).catch((second: Error) =>
      warn(log, `The second instance of '${old.name}' could not be removed: ${second.message}`),
    );
    throw error;
  }
  const ms = await end(context, old);
  inform(
    log,
    `'${old.name}': the old instance has answered what was under way (${seconds(ms)}) and is gone.`,
  );
}

/** Drains an instance if it listens, and takes it from PM2's list. */
export async function retire({ pm2, log }: Pick<Shared, 'pm2' | 'log'>, id: number): Promise<void> {
  const found = (await pm2.list()).find(({ pmId }) => pmId === id);
  if (found === undefined) return;
  await end({ pm2, log }, found);
}

/** Milliseconds that the instance needed to answer what was under way. */
function end({ pm2, log }: Pick<Shared, 'pm2' | 'log'>, instance: Instance): Promise<number> {
  return whileQueuesMigrate(async () => {
    const ms = await drain(log, instance);
    await pm2.remove([instance]);
    return ms;
  });
}

async function untilListening(
  { pm2 }: Shared,
  name: string,
  id: number,
  ports: readonly number[],
  deadline: number,
): Promise<Instance> {
  let first: Instance | null = null;
  for (;;) {
    const found = (await pm2.list()).find(({ pmId }) => pmId === id);
    if (found === undefined) throw new DeployFailure(`PM2 no longer lists the new instance of '${name}'.`);
    first ??= found;
    const title = `the new instance of '${name}'`;
    if (['errored', 'stopped', 'waiting restart'].includes(found.status))
      throw new DeployFailure(`${capital(title)} is ${found.status}. The old instance goes on serving.`);
    if (found.restartTime > first.restartTime)
      throw new DeployFailure(
        `${capital(title)} crashed and was restarted. The old instance goes on serving.`,
      );
    const open = found.pid > 0 ? portsOf(listenersOf(found.pid)) : [];
    const missing = ports.filter((port) => !open.includes(port));
    if (found.status === 'online' && missing.length === 0) return found;
    if (performance.now() > deadline) {
      throw new DeployFailure(
        missing.length === 0
          ? `${capital(title)} is still ${found.status}.`
          : `${capital(title)} does not listen on port ${missing.join(', ')}. The old instance goes on serving.`,
        {
          remedy:
            'See in its error log why. If it cannot run beside the old instance, set handover to `off`: then PM2 restarts it.',
        },
      );
    }
    await sleep(LOOK_EVERY);
  }
}

/** The kernel shares connections out between the two: only one that the new process has taken tells of it. */
async function untilHealthy(
  { pm2 }: Shared,
  { pmId, name, pid, restartTime }: Instance,
  { url, port }: NonNullable<Handover['health']>,
  deadline: number,
): Promise<void> {
  for (;;) {
    const connection = await connectionTo([pid, ...descendantsOf(pid)], port);
    const complaint =
      connection === null
        ? `takes no connection on port ${port}`
        : await complaintAbout(url, { over: connection });
    connection?.destroy();
    if (complaint === null) return;
    const now = (await pm2.list()).find((one) => one.pmId === pmId);
    if (now === undefined || now.restartTime > restartTime || performance.now() > deadline)
      throw new DeployFailure(
        `The new instance of '${name}' is not healthy: ${complaint}. The old instance goes on serving.`,
      );
    await sleep(LOOK_EVERY * 4);
  }
}

/** Has an instance answer what is under way, and stop accepting; nothing is done to what cannot be drained. Milliseconds. */
async function drain(log: Context['log'], { name, pid }: Instance): Promise<number> {
  const began = performance.now();
  const draining = (): Listener[] => (pid > 0 ? listenersOf(pid) : []).filter(({ drains }) => drains);
  for (const listener of draining()) signal(listener.pid);
  while (draining().length > 0) {
    if (performance.now() - began > DRAINS_WITHIN) {
      warn(log, `'${name}': the old instance still had requests under way after ${seconds(DRAINS_WITHIN)}.`);
      break;
    }
    await sleep(LOOK_EVERY);
  }
  return performance.now() - began;
}

/** Without a handler it is ignored. */
function signal(pid: number): void {
  try {
    process.kill(pid, 'SIGURG');
  } catch {
    // It has ended.
  }
}

function capital(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

function seconds(ms: number): string {
  return `${(ms / 1000).toFixed(1)} s`;
}
