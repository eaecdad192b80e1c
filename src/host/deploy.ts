import { join } from 'node:path';
import { type Failure, type HostResult, type Outcome, STATES, type State } from '../protocol.ts';
import { expectationOf, reload, swapIn, swapOut } from './activate.ts';
import { leftOut, readBaseline, refuseLeftOut } from './baseline.ts';
import { prove } from './canary/prove.ts';
import { type Boot, removeCanaries } from './canary/run.ts';
import { readHead } from './checkout.ts';
import { commit } from './commit.ts';
import { type Context, inform, warn } from './context.ts';
import { loadCurrent } from './current.ts';
import { noteLogSizes, readAdded } from './error-log.ts';
import { checkLive, listSwap, settle } from './exchange.ts';
import { DeployFailure, diskTrouble } from './failure.ts';
import { createRepository } from './fetch.ts';
import { fingerprintOf } from './fingerprint.ts';
import { requireFit } from './fit.ts';
import { healthTargets } from './health-target.ts';
import { takeAppLock, takePm2Lock } from './locks.ts';
import { newerRun, refuseOlderRun } from './newer-run.ts';
import { exists } from './places.ts';
import type { Instance } from './pm2/list.ts';
import { startProbe } from './probe.ts';
import { reconcile } from './reconcile.ts';
import { loadRecord } from './record.ts';
import { secretsOfEnvironment } from './redact.ts';
import { adviseOnPace } from './reload-advice.ts';
import { freeReserve, makeRoom, takeReserve } from './reserve.ts';
import { rollBack } from './rollback.ts';
import { stage } from './stage.ts';
import { checkSwap } from './swap.ts';
import { targetCommit } from './target.ts';
import { saveTransaction, type Transaction } from './transaction.ts';
import { differsFrom } from './unchanged.ts';
import { verify } from './verify.ts';

/** How a deploy ended on this host, but for what its caller knows. */
export type End = Pick<HostResult, 'outcome' | 'sha' | 'previousSha' | 'failure'> &
  Partial<Pick<HostResult, 'requests' | 'standing'>>;

/** Tells everybody who follows which state the deploy is in. */
export interface Progress {
  state: State;
  enter(state: State): void;
}

const APP_LOG_LINES = 30;

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
  if (!exists(join(places.live, '.git'))) await createRepository(git, plan.repository.url);
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

type Enter = (state: State, outcome?: Outcome, reason?: string) => void;

/** From the intent on: it ends with the new version verified, or with the old one back. */
async function goLive(
  context: Context,
  progress: Progress,
  transaction: Transaction,
  instances: readonly Instance[],
  boots: readonly Boot[],
): Promise<End> {
  const { deployId, mode, run, sha, previous } = transaction;
  const enter: Enter = (state, outcome, reason) => {
    progress.enter(state);
    context.journal.write({
      deploy: deployId,
      mode,
      state,
      run,
      sha,
      outcome: outcome ?? null,
      reason: reason ?? null,
    });
  };
  const appLog = watchAppLog(context, transaction, instances);
  const pace = context.pm2.hearPace();
  try {
    enter('activating');
    await swapIn(context, transaction);
    await reload(context, transaction, boots);
    enter('verifying');
    const expected = expectationOf(transaction);
    await context.clock.book('verify', () => verify(context.pm2, expected, transaction));
    progress.enter('committed');
    await commit(context, transaction, expected).catch((error: unknown) => {
      // A full disk is no reason to take down what is verified: the reserve is room enough.
      if (!makeRoom(context.runDir)) throw error;
      return commit(context, transaction, expected);
    });
    adviseOnPace(context, transaction.config, instances, pace, boots);
    return { outcome: 'deployed', sha, previousSha: previous.sha, failure: null };
  } catch (error) {
    const failure = failureOf(error, progress.state);
    // However PM2's command ended, the daemon may still be busy with what it began.
    const stopped = progress.state === 'activating' && transaction.swapped !== null;
    return await goBack(context, transaction, enter, failure, stopped, appLog.read);
  } finally {
    appLog.close();
    pace.close();
  }
}

async function goBack(
  context: Context,
  transaction: Transaction,
  enter: Enter,
  failure: Failure,
  stopped: boolean,
  readAppLog: () => Promise<string[]>,
): Promise<End> {
  const { sha } = transaction.previous;
  const enterAnyway: Enter = (...entry) => {
    try {
      enter(...entry);
    } catch (error) {
      // With a full disk the old version can be brought back all the same: that matters more than the journal.
      warn(context.log, `The journal cannot be written: ${(error as Error).message}`);
    }
  };
  makeRoom(context.runDir);
  enterAnyway('rolling-back', undefined, failure.message);
  warn(context.log, failure.message);
  try {
    // At once; where it fails, the rollback does it again.
    await swapOut(context, transaction).catch(() => {});
    failure.appLog = await readAppLog().catch(() => []);
    await rollBack(context, transaction, stopped);
    // PM2 hands on with some delay what an app printed as it died.
    if (failure.appLog.length === 0) failure.appLog = await readAppLog().catch(() => []);
    freeReserve(context.runDir);
    enterAnyway('rolled-back', 'rolled-back', failure.message);
    return { outcome: 'rolled-back', sha, previousSha: sha, failure };
  } catch (error) {
    const second = failureOf(error, 'rolling-back');
    freeReserve(context.runDir);
    enterAnyway('rollback-failed', 'rollback-failed', second.message);
    return {
      outcome: 'rollback-failed',
      sha,
      previousSha: sha,
      failure: bothFailures(failure, second, context),
    };
  }
}

/** What the apps print to their error streams from now on, from PM2's daemon itself and else from their log files. */
function watchAppLog({ pm2 }: Context, { config }: Transaction, instances: readonly Instance[]) {
  const sizes = noteLogSizes(instances);
  const stream = pm2.hearErrors(config.map(({ name }) => name));
  return {
    async read(): Promise<string[]> {
      const heard = stream.lines().slice(-APP_LOG_LINES);
      return heard.length > 0 ? heard : readAdded(sizes, await pm2.list(), APP_LOG_LINES);
    },
    close: stream.close,
  };
}

export function failureOf(error: unknown, state: State): Failure {
  if (error instanceof DeployFailure) {
    return {
      state,
      message: error.message,
      remedy: error.remedy,
      output: [...error.output],
      appLog: [...error.appLog],
    };
  }
  const disk = diskTrouble(error);
  if (disk !== null) return failureOf(disk, state);
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error);
  const [message = 'unknown error', ...stack] = text.split('\n');
  return { state, message, remedy: null, output: stack, appLog: [] };
}

function bothFailures(first: Failure, second: Failure, { places }: Context): Failure {
  return {
    ...first,
    message: `${first.message} Then the rollback failed as well: ${second.message}`,
    remedy: `The files of the old version are in ${places.live}. Log in, look at 'pm2 list' and 'pm2 logs', and start the app with 'pm2 startOrReload' from ${places.workDir}; the next deploy goes on from whatever runs then.`,
    output: [...first.output, ...second.output],
  };
}
