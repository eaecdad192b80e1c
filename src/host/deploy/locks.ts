import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Context, inform } from '../context.ts';
import { holderOf, type Lock, takeLock } from '../system/lock.ts';
import { realOrSame } from '../system/paths.ts';
import { makePrivate } from '../system/private-directory.ts';

/** The lock of the app, held through the whole deploy. The first wait of `lock-timeout`. */
export function takeAppLock(context: Context): Promise<Lock> {
  const { places } = context;
  mkdirSync(places.live, { recursive: true });
  makePrivate(dirname(places.state), places.state);
  return take(context, places.live, noteOf(context));
}

/**
 * The lock of this PM2: of all that it runs, one app at a time is tried, reloaded, verified and saved. Always taken after
 * the app's own, so that no two deploys wait for each other.
 */
export function takePm2Lock(context: Context): Promise<Lock> {
  const home = context.pm2.home;
  mkdirSync(home, { recursive: true });
  return take(context, home, pm2NoteOf(context));
}

/** Who holds either lock now, as sentences. Nothing is taken, and nothing written. */
export function lockHolders(context: Context): string[] {
  const { places, pm2 } = context;
  const app = holderOf(places.live, noteOf(context));
  const other = app === null ? holderOf(pm2.home, pm2NoteOf(context)) : null;
  return [
    ...(app === null ? [] : [`A deploy is running here: ${app}.`]),
    ...(other === null ? [] : [`A deploy of another app in this PM2 is running: ${other}.`]),
  ];
}

function noteOf({ places }: Context): string {
  return join(places.state, 'holder.json');
}

function pm2NoteOf({ places, pm2 }: Context): string {
  const hash = createHash('sha256').update(realOrSame(pm2.home)).digest('hex').slice(0, 12);
  return join(dirname(places.state), `pm2-${hash}.holder.json`);
}

/** Waits for what is left of `lock-timeout`, which counts for both locks together. */
function take({ plan, clock, runner, log, locks }: Context, directory: string, note: string): Promise<Lock> {
  const wait = {
    timeLimit: Math.max(0, plan.lockTimeout - clock.spent.lock),
    cancel: runner.cancelled,
    onWait: (text: string) => inform(log, text),
  };
  return clock.book('lock', () => takeLock(locks, directory, note, plan.run, wait));
}
