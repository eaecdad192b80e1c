import { setTimeout as sleep } from 'node:timers/promises';
import { baseInReload, troubleInReload } from '../health/health.ts';
import { orphansOf } from '../health/verify.ts';
import { type Reload, reloadFailure } from '../pm2/cli.ts';
import type { Instance } from '../pm2/list.ts';
import type { Pm2 } from '../pm2/session.ts';
import type { CommandResult } from '../system/command.ts';

const POLL_EVERY = 200;
const POLL_RELOAD_EVERY = 100;
/** So often in a row PM2's daemon must have no worker that it does not list. */
const QUIET_POLLS = 3;

/**
 * Watches a reload until PM2's command ends, and stops it at the first sign that the new version fails, while
 * later instances still run the old one. Resolves with that sign, or null where there was none. `onLook` is shown what
 * PM2 runs meanwhile.
 */
export async function watchReload(
  pm2: Pm2,
  reload: Reload,
  deployId: string,
  before: readonly Instance[],
  onLook: (now: readonly Instance[]) => void = () => {},
): Promise<string | null> {
  const { trouble, result } = await watchUntil(pm2, reload, deployId, before, onLook);
  if (trouble === null && result.code !== 0) throw reloadFailure(result);
  return trouble;
}

/** Tells of a reload that was stopped for this trouble. */
export function stoppedReload(trouble: string): string {
  return `During PM2's reload, ${trouble}. The reload was stopped.`;
}

/** A reload that goes on, and how to stop it. */
interface Going<T> {
  done: Promise<T>;
  abort(): void;
}

/** As `watchReload`, whoever has started the reload. `before` is what ran as the watch began. */
export async function watchUntil<T>(
  pm2: Pm2,
  reload: Going<T>,
  deployId: string,
  before: readonly Instance[],
  onLook: (now: readonly Instance[]) => void = () => {},
): Promise<{ trouble: string | null; result: T }> {
  let running = true;
  const ended = reload.done.finally(() => {
    running = false;
  });
  // It may fail while the list is asked for, and nobody waits for it then.
  ended.catch(() => {});
  let trouble: string | null = null;
  // An old version that crashes until its turn comes is no fault of the new one.
  const bases = new Map(before.map((one) => [one.pmId, countedIn(one, deployId)]));
  try {
    while (running && trouble === null) {
      const now = await pm2.list();
      onLook(now);
      for (const one of now) bases.set(one.pmId, baseInReload(bases.get(one.pmId), one, deployId));
      trouble = troubleInReload(deployId, now, [...bases.values()]);
      if (trouble === null) await Promise.race([ended, sleep(POLL_RELOAD_EVERY)]);
    }
  } catch (error) {
    reload.abort();
    await ended.catch(() => {});
    throw error;
  }
  if (trouble !== null) reload.abort();
  return { trouble, result: await ended };
}

/** What this deploy has started already, of another app, is not to be restarted once more. */
function countedIn(one: Instance, deployId: string): Instance {
  return one.deployId === deployId ? { ...one, restartTime: one.restartTime - 1 } : one;
}

/**
 * Waits for the end of a reload that is not judged. Rejects where PM2's daemon goes away or is silent: its command, which
 * would wait for it as long as its time limit lets it, is stopped then.
 */
export async function awaitReload(pm2: Pm2, reload: Reload): Promise<CommandResult> {
  let running = true;
  const ended = reload.done.finally(() => {
    running = false;
  });
  ended.catch(() => {});
  try {
    while (running) {
      await Promise.race([ended, sleep(POLL_EVERY)]);
      if (running) await pm2.list();
    }
  } catch (error) {
    reload.abort();
    await ended.catch(() => {});
    throw error;
  }
  return ended;
}

/**
 * Resolves when PM2's daemon has no worker that it does not list and, after a stopped reload, has had the time to
 * end what it had begun: a reload that starts earlier is refused by PM2 7 and leaves an orphan with PM2 5 and 6.
 */
export async function quiet(
  pm2: Pm2,
  knownOrphans: readonly number[],
  atLeast: number,
  atMost: number,
): Promise<void> {
  const started = performance.now();
  for (let calm = 0; ; await sleep(POLL_EVERY)) {
    const orphans = orphansOf(pm2, await pm2.list()).filter((pid) => !knownOrphans.includes(pid));
    calm = orphans.length === 0 ? calm + 1 : 0;
    const waited = performance.now() - started;
    if ((calm >= QUIET_POLLS && waited >= atLeast) || waited >= atLeast + atMost) return;
  }
}
