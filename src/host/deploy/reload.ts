import type { Boot } from '../canary/run.ts';
import { type Context, inform, warn } from '../context.ts';
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
  await bringAbout(context, wanted, async (command, running) => {
    const trouble = await context.clock.book('pm2', () =>
      watchReload(context.pm2, command, deployId, running),
    );
    if (trouble !== null) throw new DeployFailure(stoppedReload(trouble));
    inform(context.log, "PM2's command has ended. Checking what really runs.");
  });
}
