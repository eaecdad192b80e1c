import type { AppConfig } from '../pm2/app-config.ts';
import { portIn } from '../pm2/env-port.ts';
import type { Instance, Json } from '../pm2/list.ts';

type Ending = Pick<
  Instance,
  'autorestart' | 'settings' | 'execMode' | 'env' | 'pid' | 'status' | 'exitCode' | 'createdAt'
>;

/**
 * Whether an instance is of an app that ends by itself, by its settings: PM2 does not start it again after exit code 0.
 * In cluster mode PM2 gives a crash exit code 0 as well, so an app that has a port there counts as a server.
 */
export function isJob({ autorestart, settings, execMode, env }: Ending): boolean {
  const ends = !autorestart || codesIn(settings.stop_exit_codes).includes(0);
  return ends && !(execMode === 'cluster' && portIn(env) !== null);
}

/** The same, of an app that PM2 does not run yet. */
export function endsByItself(app: AppConfig): boolean {
  return app.autorestart === false || codesIn(app.stop_exit_codes).includes(0);
}

/** Whether a job has done its work: it does not run, and PM2 reports no failure. */
export function endedWell(one: Ending): boolean {
  return hasEnded(one) && (one.exitCode ?? 0) === 0;
}

/** Whether nothing of a job runs. PM2 6 still calls it `online` then, and with a `restart_delay` it waits for ever. */
export function hasEnded(one: Ending): boolean {
  return isJob(one) && one.pid === 0 && ['stopped', 'online', 'waiting restart'].includes(one.status);
}

/** Whether PM2 restarts the app by a clock. */
export function restartsByCron({ settings }: Pick<Instance, 'settings'>): boolean {
  return isPattern(settings.cron_restart);
}

/** Whether a `cron_restart` is one: 0 turns it off. */
export function isPattern(value: Json | undefined): value is string {
  return typeof value === 'string' && value !== '' && value !== '0';
}

/**
 * Whether PM2 restarted an instance between two looks on purpose, as its settings say: for that it notes a new
 * `created_at`, for a restart after a crash it does not.
 */
export function restartedOnPurpose(then: Pick<Instance, 'createdAt'>, now: Instance): boolean {
  return now.createdAt !== then.createdAt && (restartsByCron(now) || isJob(now));
}

function codesIn(value: Json | undefined): number[] {
  const codes = Array.isArray(value) ? value : [value ?? null];
  return codes.filter((code) => code !== null && code !== '').map(Number);
}
