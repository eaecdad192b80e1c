import type { Staged } from '../build/stage.ts';
import { type Context, inform } from '../context.ts';
import { readHead } from '../git/checkout.ts';
import { readBaseline } from '../health/baseline.ts';
import { healthTargets } from '../health/health-target.ts';
import type { Instance } from '../pm2/list.ts';
import { secretsOfEnvironment } from '../program/redact.ts';
import type { Transaction } from '../state/transaction.ts';
import { leftOut, requireFit } from './fit.ts';
import { layoutOf } from './layout.ts';
import type { Live } from './live.ts';
import { fingerprintOf } from './plan-fingerprint.ts';

/** Looks at the host a last time and writes down what is to be done, and what undoes it. Changes nothing yet. */
export async function drawUp(
  context: Context,
  staged: Staged,
  { current, generated }: Live,
  migrated: boolean,
): Promise<{ transaction: Transaction; instances: Instance[] }> {
  const { plan, pm2, log } = context;
  const { config, sha, record } = staged;
  const head = await readHead(context.git);
  const { swap } = await layoutOf(context).list(staged, head, generated);
  const { instances, before } = await readBaseline(
    pm2,
    config.map(({ name }) => name),
  );
  for (const text of requireFit(context, config, instances, current)) inform(log, text);
  for (const { env } of instances) context.redactor.hide(secretsOfEnvironment(env));
  const health = await healthTargets(context, config, before);
  const transaction: Transaction = {
    deployId: plan.deployId,
    mode: plan.mode,
    run: plan.run,
    sha,
    previousSha: head.sha,
    swap,
    record,
    current,
    fingerprint: await fingerprintOf(context, sha),
    before: { ...before, healthUrl: health.before },
    config,
    leftOut: leftOut(context, config, current, await pm2.list()),
    pm2Env: plan.pm2Env,
    save: plan.save,
    healthTimeout: plan.healthTimeout,
    stableFor: plan.stableFor,
    healthUrl: health.now,
    migrated,
    swapped: null,
    restored: false,
  };
  return { transaction, instances };
}
