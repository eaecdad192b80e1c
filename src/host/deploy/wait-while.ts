import { setTimeout as sleep } from 'node:timers/promises';
import type { Instance } from '../pm2/list.ts';
import type { Pm2 } from '../pm2/session.ts';

/** Milliseconds. */
const POLL_EVERY = 100;

/** Resolves once `holds` is true of no instance that PM2 lists, or after `atMost` milliseconds. */
export async function waitWhile(
  pm2: Pick<Pm2, 'list'>,
  holds: (one: Instance) => boolean,
  atMost: number,
): Promise<void> {
  const end = performance.now() + atMost;
  while ((await pm2.list()).some(holds) && performance.now() < end) await sleep(POLL_EVERY);
}
