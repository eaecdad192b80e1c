import { join } from 'node:path';
import { STATES } from '../../protocol.ts';
import { stage } from '../build/stage.ts';
import { prove } from '../canary/prove.ts';
import { removeCanaries } from '../canary/run.ts';
import { type Context, inform } from '../context.ts';
import { readHead } from '../git/checkout.ts';
import { readBaseline } from '../health/baseline.ts';
import { healthTargets } from '../health/health-target.ts';
import { startProbe } from '../health/probe.ts';
import type { End, Progress } from '../program/end.ts';
import { secretsOfEnvironment } from '../program/redact.ts';
import { freeReserve, takeReserve } from '../program/reserve.ts';
import { loadCurrent } from '../state/current.ts';
import { saveTransaction, type Transaction } from '../state/transaction.ts';
import { loadRecord } from '../swap/record.ts';
import { checkSwap } from '../swap/swap.ts';
import { failureOf } from '../system/failure.ts';
import { exists } from '../system/paths.ts';
import { leftOut, refuseLeftOut, requireFit } from './fit.ts';
import { goLive } from './go-live.ts';
import { checkLive, listSwap, settle } from './in-place.ts';
import { takeAppLock, takePm2Lock } from './locks.ts';
import { newerRun, refuseOlderRun } from './newer-run.ts';
import { fingerprintOf } from './plan-fingerprint.ts';
import { reconcile } from './reconcile.ts';
import { beginRepository, targetCommit } from './target.ts';
import { differsFrom } from './unchanged.ts';

/**
 * Carries one deploy through its states, from `locked` on, and leaves the lock to its caller. Whatever fails before `activating` leaves the live app
 * as it is; whatever fails from there on is rolled back.
 */
export async function deploy(context: Context, progress: Progress): Promise<End> {
  const { plan, places, runner, journal } = context;

  progress.enter('locked');
  context.lock = await takeAppLock(context);
  try {
    await runner.undisturbed(async () => {
      await removeCanaries(context);
      await reconcile(context);
    });
    return await deployLocked(context, progress);
  } catch (error) {
    const failure = failureOf(error, progress.state);
    freeReserve(context.runDir);
    if (STATES.indexOf(progress.state) > STATES.indexOf('locked')) {
      journal.write({
        deploy: plan.deployId,
        mode: plan.mode,
        state: progress.state,
        run: plan.run,
        sha: context.target,
        outcome: 'failed',
        reason: failure.message,
      });
    }
    const { sha } = exists(join(places.live, '.git')) ? await readHead(context.gitAfterwards) : { sha: null };
    return { outcome: 'failed', sha, previousSha: sha, failure };
  }
}

async function deployLocked(context: Context, progress: Progress): Promise<End> {
  const { plan, places, git, pm2, runner, journal } = context;

  progress.enter('fetched');
  if (!exists(join(places.live, '.git'))) await beginRepository(context);
  const head = await readHead(git);
  const current = loadCurrent(places.state);
  const generated = loadRecord(places.state, current?.record ?? null);
  await checkLive(context, generated);
  const sha = await targetCommit(context, head.sha);
  context.target = sha;
  const difference = await differsFrom(context, sha, head, current, generated);
  const newer = newerRun(journal.entries(), plan.run);
  if (difference === null) {
    if (newer === null) noteUnchanged(context, sha);
    return { outcome: 'unchanged', sha, previousSha: sha, failure: null };
  }
  if (newer !== null && !plan.force) refuseOlderRun(newer, plan.run);
  inform(context.log, `Deploying ${sha}: ${difference}.`);

  progress.enter('staged');
  const staged = await stage(context, sha);
  const names = staged.config.map(({ name }) => name);
  requireFit(context, staged.config, (await readBaseline(pm2, names)).instances, current);
  const last = plan.apps.length === 0 ? (current?.config ?? []).map(({ name }) => name) : [];
  const left = leftOut(places.live, last, staged.config, await pm2.list());
  // A rollback takes away what the version that it leaves has added.
  if (plan.mode !== 'rollback') refuseLeftOut(left);
  const listed = await listSwap(context, staged, head, generated);
  await settle(context, staged, listed.ops);

  progress.enter('prepared');
  await runner.go();
  // Before PM2 is looked at again: what another app's reload does to it meanwhile is not to be taken for its usual state.
  context.pm2Lock = await takePm2Lock(context);
  await checkLive(context, generated);
  const boots = await prove(context, staged, listed, current, () => progress.enter('canary'));
  if (boots.length > 0) await checkLive(context, generated);
  const previous = await readHead(git);
  const { ops } = await listSwap(context, staged, previous, generated);
  checkSwap({ live: places.live, staging: staged.staging, kept: staged.kept }, ops);
  const { instances, before } = await readBaseline(pm2, names);
  for (const text of requireFit(context, staged.config, instances, current)) inform(context.log, text);
  for (const { env } of instances) context.redactor.hide(secretsOfEnvironment(env));
  const health = await healthTargets(context, staged.config, before);
  const transaction: Transaction = {
    deployId: plan.deployId,
    mode: plan.mode,
    run: plan.run,
    sha,
    previous,
    staging: staged.staging,
    kept: staged.kept,
    ops,
    record: staged.record,
    current,
    fingerprint: fingerprintOf(context),
    before: { ...before, healthUrl: health.before },
    config: staged.config,
    leftOut: left,
    pm2Env: plan.pm2Env,
    save: plan.save,
    healthTimeout: plan.healthTimeout,
    stableFor: plan.stableFor,
    healthUrl: health.now,
    swapped: null,
    restored: false,
  };
  // Anew, since a disk that was full for a moment has taken the first one.
  takeReserve(context.runDir);
  // From here on no cancel counts; one that has come already does.
  runner.standAlone();
  saveTransaction(places.state, transaction);
  const probe = startProbe([...new Set([health.now, health.before])].filter((url) => url !== null));
  try {
    const end = await goLive(context, progress, transaction, instances, boots);
    return { ...end, requests: probe.stop() };
  } finally {
    probe.stop();
  }
}

/** In the history it stands for this run having asked for what runs: an older run is not to replace it any more. */
function noteUnchanged({ journal, plan }: Context, sha: string): void {
  const { deployId: deploy, mode, run } = plan;
  journal.write({ deploy, mode, state: 'fetched', run, sha, outcome: 'unchanged', reason: null });
}
