import { createHash } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Context, inform } from '../context.ts';
import { holderOf, type Lock, type LockFiles, takeLock } from '../system/lock.ts';
import { realOrSame } from '../system/paths.ts';
import { makePrivate } from '../system/private-directory.ts';

/** Not named like a lock of git. */
const LOCK_FILE = 'pm2-ssh-deploy-lock';

/** The lock of the app, held through the whole deploy. The first wait of `lock-timeout`. */
export function takeAppLock(context: Context): Promise<Lock> {
  const { places } = context;
  mkdirSync(places.live, { recursive: true });
  makePrivate(dirname(places.state), places.state);
  return take(context, appLock(context));
}

/**
 * The lock of this PM2: of all that it runs, one app at a time is tried, reloaded, verified and saved. Always taken after
 * the app's own, so that no two deploys wait for each other.
 */
export function takePm2Lock(context: Context): Promise<Lock> {
  const home = context.pm2.home;
  mkdirSync(home, { recursive: true });
  return take(context, pm2Lock(context));
}

/** Who holds either lock now, as sentences. Nothing is taken, and nothing written. */
export function lockHolders(context: Context): string[] {
  const app = holderOf(appLock(context));
  const other = app === null ? holderOf(pm2Lock(context)) : null;
  return [
    ...(app === null ? [] : [`A deploy is running here: ${app}.`]),
    ...(other === null ? [] : [`A deploy of another app in this PM2 is running: ${other}.`]),
  ];
}

/** On a first deploy there is no .git yet: then the file in the state directory stands alone. */
function appLock({ places }: Context): LockFiles {
  const git = join(places.live, '.git');
  const isDirectory = statSync(git, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return {
    own: [join(places.state, 'lock'), ...(isDirectory ? [join(git, LOCK_FILE)] : [])],
    directory: places.live,
    note: join(places.state, 'holder.json'),
  };
}

function pm2Lock({ places, pm2 }: Context): LockFiles {
  const hash = createHash('sha256').update(realOrSame(pm2.home)).digest('hex').slice(0, 12);
  return {
    own: [join(pm2.home, LOCK_FILE)],
    directory: pm2.home,
    note: join(dirname(places.state), `pm2-${hash}.holder.json`),
  };
}

/** Waits for what is left of `lock-timeout`, which counts for both locks together. */
function take({ plan, clock, runner, log, locks }: Context, files: LockFiles): Promise<Lock> {
  const wait = {
    timeLimit: Math.max(0, plan.lockTimeout - clock.spent.lock),
    cancel: runner.cancelled,
    onWait: (text: string) => inform(log, text),
  };
  return clock.book('lock', () => takeLock(locks, files, plan.run, wait));
}
