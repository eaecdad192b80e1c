import { hearBus } from './bus.ts';

/**
 * How PM2 replaced instances in cluster mode, by what its daemon says as it goes: the same words in PM2 5, 6 and 7.
 * It is for advice alone; nothing that a deploy decides rests on it.
 */
export interface Pace {
  /** How long PM2 waited for each new instance of the app before it ended the old one, in milliseconds. */
  waits(name: string): number[];
  /** Pids of processes that were still alive at the end of their `kill_timeout`, and were killed. */
  killed(): number[];
  close(): void;
}

const STARTING = /^App \[(.*):(\d+)\] starting in -cluster mode-/;
const STOPPING = /^Stopping app:(.*) id:_old_(\d+)\s*$/;
const KILLING = /^Process with pid (\d+) still alive after \d+ms/;

/** Listens until it is closed. */
export function hearPace(pm2Home: string): Pace {
  const started = new Map<string, number>();
  const waits: { name: string; ms: number }[] = [];
  const killed: number[] = [];
  const close = hearBus(pm2Home, (topic, { data }) => {
    if (topic !== 'log:PM2' || typeof data !== 'string') return;
    const now = performance.now();
    const [, name = '', id = ''] = STARTING.exec(data) ?? STOPPING.exec(data) ?? [];
    if (STARTING.test(data)) started.set(id, now);
    else if (STOPPING.test(data)) {
      const since = started.get(id);
      if (since !== undefined) waits.push({ name, ms: now - since });
    }
    const pid = KILLING.exec(data)?.[1];
    if (pid !== undefined) killed.push(Number(pid));
  });
  return {
    waits: (name) => waits.filter((one) => one.name === name).map(({ ms }) => ms),
    killed: () => [...killed],
    close,
  };
}
