import type { Staged } from '../build/stage.ts';
import type { Boot } from '../canary/run.ts';
import { type Context, inform } from '../context.ts';
import { choosePreloads } from '../handover/preload-choice.ts';
import { portsOfApp } from '../health/app-ports.ts';
import { readBaseline } from '../health/baseline.ts';
import { healthTargets } from '../health/health-target.ts';
import type { Instance } from '../pm2/list.ts';
import { secretsOfEnvironment } from '../program/redact.ts';
import type { Transaction } from '../state/transaction.ts';
import { nodeAbi } from '../system/node-version.ts';
import { leftOut, requireFit } from './fit.ts';
import { listExchange } from './layout.ts';
import { type Live, readLiveHead } from './live.ts';
import { fingerprintOf } from './plan-fingerprint.ts';

/** Looks at the host a last time and writes down what is to be done, and what undoes it. Changes nothing yet. */
export async function drawUp(
  context: Context,
  staged: Staged,
  { current, generated }: Live,
  boots: readonly Boot[],
  migrated: boolean,
): Promise<{ transaction: Transaction; instances: Instance[] }> {
  const { plan, pm2, log } = context;
  const { config, sha } = staged;
  const head = await readLiveHead(context);
  const { swap } = await listExchange(context, staged, head, generated);
  const { instances, before } = await readBaseline(
    pm2,
    config.map(({ name }) => name),
  );
  before.ports = before.ports.filter((port) => !isByChance(port, instances, boots));
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
    record: staged.record,
    current,
    fingerprint: await fingerprintOf(context, sha),
    abi: nodeAbi(),
    before: { ...before, healthUrl: health.before },
    config,
    preloads: await choosePreloads(plan, pm2, config, instances),
    leftOut: leftOut(context, config, current, await pm2.list()),
    pm2Env: plan.pm2Env,
    save: plan.save,
    healthTimeout: plan.healthTimeout,
    stableFor: plan.stableFor,
    healthUrl: health.now,
    migrated,
    swapped: null,
    restored: false,
    restoredAt: null,
  };
  return { transaction, instances };
}

/** A port that the kernel chose for an app which asks for any: neither the new version nor the old one will have it again. */
function isByChance(port: number, instances: readonly Instance[], boots: readonly Boot[]): boolean {
  const asksForAny = instances.filter(({ env }) => env.PORT === '0').map(({ name }) => name);
  return (
    boots.some(({ byChance }) => byChance.includes(port)) ||
    asksForAny.some((name) => portsOfApp(name, instances, [port]).certain.length > 0)
  );
}
