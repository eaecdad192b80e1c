import type { DeployApp } from './app-config.ts';
import { refuseForeign } from './baseline.ts';
import { configChanges, foretell, refuseChanges } from './config-change.ts';
import type { Context } from './context.ts';
import type { Current } from './current.ts';
import type { Instance } from './pm2/list.ts';

/**
 * Refuses what PM2 runs beside a config that cannot be deployed over it. Gives what will be done beyond a reload, in
 * sentences.
 */
export function requireFit(
  { places, plan }: Pick<Context, 'places' | 'plan'>,
  config: readonly DeployApp[],
  running: readonly Instance[],
  current: Current | null,
): string[] {
  refuseForeign(places.live, running);
  const changes = configChanges(config, running, current?.config ?? []);
  if (plan.onConfigChange === 'fail') refuseChanges(changes);
  return foretell(changes);
}
