import { createHash } from 'node:crypto';
import { mkdirSync, statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { type Context, inform, warn } from '../context.ts';
import { holderOf, keepersOfLock, type Lock, type LockFiles, takeLock } from '../system/lock.ts';
import { realOrSame } from '../system/paths.ts';
import { makePrivate } from '../system/private-directory.ts';

/** Not named like a lock of git. */
const LOCK_FILE = 'pm2-ssh-deploy-lock';

/** How long a verified host waits for PM2's lock at least, in milliseconds. */
const LEAST_WAIT = 10 * 60_000;

/** The lock of the app, held through the whole deploy. The first wait of `lock-timeout`. */
export function takeAppLock(context: Context): Promise<Lock> {
  const { places } = context;
  mkdirSync(places.top, { recursive: true });
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

/** PM2's lock, which its holder puts down while it waits for other hosts: their deploys may wait for it in turn. */
export interface Pm2Turn {
  pause(): void;
  /** Takes the lock again. Where that takes too long it goes on without: what it ends is its own. */
  resume(): Promise<void>;
  end(): void;
}

export async function startPm2Turn(context: Context): Promise<Pm2Turn> {
  let lock: Lock | null = await takePm2Lock(context);
  const end = (): void => {
    lock?.release();
    lock = null;
  };
  return {
    pause: end,
    async resume() {
      try {
        lock = await take(context, pm2Lock(context), Math.max(LEAST_WAIT, context.plan.lockTimeout));
      } catch (error) {
        warn(context.log, (error as Error).message);
      }
    },
    end,
  };
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

/** The pids of this user's processes that hold the app's lock: the program that took it, and what it gave it to. */
export function lockKeepers(context: Context): number[] {
  return keepersOfLock(appLock(context));
}

/** On a first deploy there is no .git yet: then the file in the state directory stands alone. */
function appLock({ places }: Context): LockFiles {
  const git = join(places.top, '.git');
  const isDirectory = statSync(git, { throwIfNoEntry: false })?.isDirectory() ?? false;
  return {
    own: [join(places.state, 'lock'), ...(isDirectory ? [join(git, LOCK_FILE)] : [])],
    directory: places.top,
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

/** Waits for what is left of `lock-timeout`, which counts for both locks together, or `timeLimit` milliseconds. */
function take(context: Context, files: LockFiles, timeLimit?: number): Promise<Lock> {
  const { plan, clock, runner, log, locks } = context;
  const wait = {
    timeLimit: timeLimit ?? Math.max(0, plan.lockTimeout - clock.spent.lock),
    cancel: runner.cancelled,
    onWait: (text: string) => inform(log, text),
  };
  return clock.book('lock', () => takeLock(locks, files, plan.run, wait));
}
