import type { Boot } from '../canary/run.ts';
import { type Context, inform, warn } from '../context.ts';
import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import type { Instance } from '../pm2/list.ts';
import type { Transaction } from '../state/transaction.ts';
import { DeployFailure } from '../system/failure.ts';
import { bringAbout } from './bring-about.ts';
import { withPatience } from './reload-patience.ts';
import { stoppedReload, watchReload } from './watch-reload.ts';

/** Has PM2 run the new version's apps; at the first sign that they fail, PM2's command is stopped. */
export async function reload(
  context: Context,
  transaction: Transaction,
  boots: readonly Boot[],
): Promise<void> {
  const { pm2Env, deployId, current, before, preloads, healthUrl, healthTimeout } = transaction;
  const { config, advice } = withPatience(transaction.config, boots);
  for (const text of advice) warn(context.log, text);
  const over = { last: current?.config ?? [], before: before.apps };
  const { handover } = context.plan;
  const wanted = {
    deployId,
    config,
    pm2Env,
    preloads,
    handover,
    healthUrl,
    healthTimeout,
    over,
    stays: () => false,
  };
  const onLook = tellOfReady(config, deployId, (text) => inform(context.log, text));
  await bringAbout(context, wanted, async (command, running) => {
    const trouble = await context.clock.book('pm2', () =>
      watchReload(context.pm2, command, deployId, running, onLook),
    );
    if (trouble !== null) throw new DeployFailure(stoppedReload(trouble));
    inform(context.log, "PM2's command has ended. Checking what really runs.");
  });
}

/** Tells how many instances of the new version are ready, each time that one more is and others are still to come. */
export function tellOfReady(
  config: readonly DeployApp[],
  deployId: string,
  tell: (text: string) => void,
): (now: readonly Pick<Instance, 'name' | 'deployId' | 'status'>[]) => void {
  const total = config.reduce((sum, app) => sum + expectedInstances(app).count, 0);
  let told = 0;
  return (now) => {
    const ready = now.filter(
      (one) =>
        one.deployId === deployId && one.status === 'online' && config.some(({ name }) => name === one.name),
    ).length;
    if (ready > told && ready < total) tell(`${ready} of ${total} instances ready`);
    told = Math.max(told, ready);
  };
}
