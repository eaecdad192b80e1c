import { createHash } from 'node:crypto';
import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Context, inform } from './context.ts';
import { type Lock, takeLock } from './lock.ts';
import { makePrivate, realOrSame } from './places.ts';

/** The lock of the app, held through the whole deploy. The first wait of `lock-timeout`. */
export function takeAppLock(context: Context): Promise<Lock> {
  const { places } = context;
  mkdirSync(places.live, { recursive: true });
  makePrivate(places.state);
  return take(context, places.live, join(places.state, 'holder.json'));
}

/**
 * The lock of this PM2: of all that it runs, one app at a time is tried, reloaded, verified and saved. Always taken after
 * the app's own, so that no two deploys wait for each other.
 */
export function takePm2Lock(context: Context): Promise<Lock> {
  const home = context.pm2.home;
  mkdirSync(home, { recursive: true });
  const hash = createHash('sha256').update(realOrSame(home)).digest('hex').slice(0, 12);
  return take(context, home, join(dirname(context.places.state), `pm2-${hash}.holder.json`));
}

/** Waits for what is left of `lock-timeout`, which counts for both locks together. */
function take({ plan, clock, runner, log }: Context, directory: string, note: string): Promise<Lock> {
  const wait = {
    timeLimit: Math.max(0, plan.lockTimeout - clock.spent.lock),
    cancel: runner.cancelled,
    onWait: (text: string) => inform(log, text),
  };
  return clock.book('lock', () => takeLock(directory, note, plan.run, wait));
}
