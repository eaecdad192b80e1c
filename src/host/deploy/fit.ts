import { type Context, warn } from '../context.ts';
import { readBaseline } from '../health/baseline.ts';
import { sharedPorts } from '../health/shared-ports.ts';
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
  refuseForeign(places.top, running);
  const changes = configChanges(config, running, current?.config ?? []);
  if (plan.onConfigChange === 'fail') refuseChanges(changes);
  return foretell(changes);
}

/** Refuses, as soon as the new config is known, what could not be deployed over what PM2 runs. */
export async function refuseMisfit(
  context: Context,
  config: readonly DeployApp[],
  current: Current | null,
): Promise<void> {
  const { pm2, plan, log } = context;
  const { refused, warned } = sharedPorts(config, plan.pm2Env, await pm2.list());
  if (refused.length > 0)
    throw new DeployFailure(refused.join(' '), {
      remedy: 'Give each app its own PORT, or name the apps to deploy in `app`.',
    });
  for (const text of warned) warn(log, text);
  const { instances } = await readBaseline(pm2, namesOf(config));
  requireFit(context, config, instances, current);
  // A rollback takes away what the version that it leaves has added.
  if (plan.mode !== 'rollback') refuseLeftOut(leftOut(context, config, current, await pm2.list()));
}

/** Apps of the last deploy that the file no longer has and that still run. None where only some apps are deployed. */
export function leftOut(
  { plan, places }: Pick<Context, 'plan' | 'places'>,
  config: readonly DeployApp[],
  current: Current | null,
  all: readonly Instance[],
): string[] {
  if (plan.apps.length > 0 || current === null) return [];
  const left = namesOf(current.config).filter((name) => !namesOf(config).includes(name));
  const runs = (name: string): boolean =>
    all.some((one) => one.name === name && isWithin(places.top, realOrSame(one.cwd)));
  return left.filter(runs);
}

function namesOf(apps: readonly DeployApp[]): string[] {
  return apps.map(({ name }) => name);
}

/** What the file has left out would go on serving the old version. */
function refuseLeftOut(running: readonly string[]): void {
  if (running.length === 0) return;
  throw new DeployFailure(
    `The ecosystem file no longer has ${running.map((name) => `'${name}'`).join(', ')}, which the last deploy started and which still runs.`,
    {
      remedy: `It would go on serving the old version. Delete it on the server ('pm2 delete ${running[0]}') or put it back into the file. Or name the apps to deploy in app.`,
    },
  );
}

/** An app of the same name that runs from elsewhere is another deploy's, and a reload would replace it. */
export function refuseForeign(top: string, instances: readonly Instance[]): void {
  for (const { name, cwd } of instances) {
    if (!isWithin(top, realOrSame(cwd))) {
      throw new DeployFailure(
        `PM2 runs an app named '${name}' from ${cwd}, outside ${top}, so it belongs to something else.`,
        {
          remedy: `If this deploy is not for '${name}', name its apps in \`app\`. Otherwise give this app another name, or delete the other one on the server: 'pm2 delete ${name}'.`,
        },
      );
    }
  }
}
