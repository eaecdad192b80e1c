import { type Context, inform } from '../context.ts';
import type { Checkout } from './default-commands.ts';
import { installKey } from './install-key.ts';
import { keepInstall, takeInstall } from './kept-install.ts';
import { runStep } from './steps.ts';

/**
 * Installs the checkout's dependencies, or reuses what an earlier install made where nothing that decides it has changed.
 * `tracked` are the commit's files, `lent` untracked ones that no install made.
 */
export async function install(
  context: Context,
  checkout: Checkout,
  tracked: ReadonlyMap<string, string>,
  lent: readonly string[],
): Promise<void> {
  const { plan, log, clock, runner } = context;
  const found = plan.freshInstall
    ? null
    : await clock.book('install', () => installKey(context, checkout, tracked));
  if (found === null) return runStep(context, 'install', checkout);
  if ('why' in found) {
    await runStep(context, 'install', checkout);
    inform(log, `This install is not reused by later deploys: ${found.why}.`);
    return;
  }
  const { key } = found;
  const started = performance.now();
  const taken = await clock
    .book('install', () => takeInstall(context, key, checkout.top))
    .catch((error: Error) => {
      if (runner.cancelled.aborted) throw error;
      inform(log, `The last install cannot be reused: ${error.message}. Installing anew.`);
      return false;
    });
  if (taken) {
    const seconds = ((performance.now() - started) / 1000).toFixed(1);
    inform(log, `Reused the last install: nothing that decides it changed. Copied in ${seconds} s.`);
    return;
  }
  await runStep(context, 'install', checkout);
  const why = await clock.book('install', () => keepInstall(context, key, checkout.top, lent));
  if (why !== null) inform(log, `This install is not reused by later deploys: ${why}.`);
}
