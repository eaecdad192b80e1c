import type { AppConfig } from './app-config.ts';
import type { Instance, Json } from './list.ts';

/** PM2's own, in milliseconds. */
const LISTEN_TIMEOUT = 3_000;
const KILL_TIMEOUT = 1_600;

/** How long PM2 waits for a new instance of an app to get ready, in milliseconds. */
export function listenTimeoutOf(app: AppConfig): number {
  return milliseconds(app.listen_timeout, LISTEN_TIMEOUT);
}

/** How long PM2 will wait for an instance that runs by this config to end before it kills it, in milliseconds. */
export function killTimeoutIn(app: AppConfig): number {
  return milliseconds(app.kill_timeout, KILL_TIMEOUT);
}

/** How long PM2 waits for an instance to end before it kills it, in milliseconds. */
export function killTimeoutOf({ killTimeout }: Pick<Instance, 'killTimeout'>): number {
  return killTimeout ?? KILL_TIMEOUT;
}

function milliseconds(value: Json | undefined, byDefault: number): number {
  const given = typeof value === 'string' ? Number(value) : value;
  return typeof given === 'number' && given > 0 ? given : byDefault;
}
