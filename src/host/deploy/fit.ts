import type { Context } from '../context.ts';
import type { DeployApp } from '../pm2/app-config.ts';
import { configChanges, foretell, refuseChanges } from '../pm2/config-change.ts';
import type { Instance } from '../pm2/list.ts';
import type { Current } from '../state/current.ts';
import { DeployFailure } from '../system/failure.ts';
import { isWithin, realOrSame } from '../system/paths.ts';

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

/**
 * Apps of the last deploy that the file does not have, and that run. `last` are the names of the last deploy, where this
 * one takes the whole file.
 */
export function leftOut(
  live: string,
  last: readonly string[],
  config: readonly DeployApp[],
  all: readonly Instance[],
): string[] {
  const left = last.filter((name) => !config.some((app) => app.name === name));
  return left.filter((name) => all.some((one) => one.name === name && isWithin(live, realOrSame(one.cwd))));
}

/** What the file has left out would go on serving the old version. */
export function refuseLeftOut(running: readonly string[]): void {
  if (running.length === 0) return;
  throw new DeployFailure(
    `The ecosystem file no longer has ${running.map((name) => `'${name}'`).join(', ')}, which the last deploy started and which still runs.`,
    {
      remedy: `It would go on serving the old version. End it on the server, 'pm2 delete ${running[0]}', or put it back into the file; or name the apps to deploy with app.`,
    },
  );
}

/** An app of the same name that runs from elsewhere is another deploy's, and a reload would replace it. */
export function refuseForeign(live: string, instances: readonly Instance[]): void {
  for (const { name, cwd } of instances) {
    if (!isWithin(live, realOrSame(cwd))) {
      throw new DeployFailure(
        `PM2 runs an app named '${name}' from ${cwd}, outside ${live}: it belongs to something else.`,
        {
          remedy: `Give this app another name, or delete the other one on the server: 'pm2 delete ${name}'.`,
        },
      );
    }
  }
}
