import { type Failure, STATES } from '../../protocol.ts';
import { guardEnvFile } from '../build/env-input.ts';
import { type Refuse, type Staged, stage } from '../build/stage.ts';
import { prove } from '../canary/prove.ts';
import type { Boot } from '../canary/run.ts';
import { removeCanaries } from '../canary/run.ts';
import { type Context, inform, warn } from '../context.ts';
import { isCheckout, trackedFiles } from '../git/checkout.ts';
import { dressAll } from '../handover/dress.ts';
import { choosePreloads } from '../handover/preload-choice.ts';
import { startProbe } from '../health/probe.ts';
import type { End, Progress } from '../program/end.ts';
import { freeReserve, takeReserve } from '../program/reserve.ts';
import { subjectOf } from '../state/journal.ts';
import { saveTransaction } from '../state/transaction.ts';
import { failureOf } from '../system/failure.ts';
import { refuseMisfit } from './fit.ts';
import { goLive } from './go-live.ts';
import { stageKept } from './kept-version.ts';
import { type Listed, listExchange } from './layout.ts';
import { watchLeftReload } from './left-reload.ts';
import { type Live, readLive, readLiveHead } from './live.ts';
import { checkLive, saveChanges } from './live-checkout.ts';
import { type Pm2Turn, startPm2Turn, takeAppLock } from './locks.ts';
import { forgetMigration, MAY_HAVE_RUN, migrate, migrationLeft, withMigration } from './migrate.ts';
import { drawUp } from './new-transaction.ts';
import { newerRun, refuseOlderRun } from './newer-run.ts';
import { waitForQuiet } from './quiet-moment.ts';
import { readinessOf } from './readiness.ts';
import { reconcile } from './reconcile.ts';
import { betweenReloadCommands, endReloadCommands, withCommandLeft } from './reload-commands.ts';
import { endRemoval } from './removal.ts';
import { requireSpace } from './required-space.ts';
import { adviseOnSettings, refuseImpossible } from './settings-advice.ts';
import type { Held } from './stand-by.ts';
import { beginRepository, targetCommit } from './target.ts';
import { differsFrom, hasSameSettings } from './unchanged.ts';

/**
 * Carries one deploy through its states, from `locked` on, and leaves the app's lock to its caller. What fails before
 * `activating` leaves the live app as it is. What fails later is rolled back.
 */
export async function deploy(given: Context, progress: Progress): Promise<End> {
  const context = given.plan.waits ? await waitForLock(given) : given;
  const { plan, runner, journal } = context;
  progress.enter('locked');
  const trouble = await watchLeftReload(context);
  await takeAppLock(context);
  try {
    const migrated = migrationLeft(context);
    if (migrated !== null) warn(context.log, `Deploy ${migrated} was killed. ${MAY_HAVE_RUN}`);
    let left: Failure | null = null;
    await runner.undisturbed(async () => {
      await endRemoval(context);
      await removeCanaries(context);
      await reconcile(context, trouble);
      left = await endReloadCommands(context);
    });
    await requireSpace(context);
    const end = await deployLocked(context, progress);
    // Nothing was reloaded, so nothing has put the host back since.
    return left !== null && end.outcome === 'unchanged' ? { ...end, outcome: 'failed', failure: left } : end;
  } catch (error) {
    const failed = withMigration(failureOf(error, progress.state), progress.migrated);
    const failure = withCommandLeft(context, failed);
    freeReserve(context.runDir);
    if (STATES.indexOf(progress.state) > STATES.indexOf('locked'))
      journal.end(subjectOf(plan, progress.sha), progress.state, 'failed', failure.message);
    const { sha } = await readLiveHead(context);
    return { outcome: 'failed', sha, previousSha: sha, failure };
  } finally {
    forgetMigration(context);
  }
}

/** Tells the runner what it has to know of this host, and waits for its `lock`, which may name the commit. */
async function waitForLock(context: Context): Promise<Context> {
  context.log({ type: 'ready', ...(await readinessOf(context)) });
  const { ref } = await context.runner.lock();
  return { ...context, plan: { ...context.plan, ref: ref ?? context.plan.ref } };
}

async function deployLocked(context: Context, progress: Progress): Promise<End> {
  const { places, plan, runner } = context;

  progress.enter('fetched');
  if (!isCheckout(places.top)) await beginRepository(context);
  const live = await readLive(context);
  const changes = await checkLive(context, live.generated);
  const sha = await targetCommit(context, live.head.sha);
  progress.sha = sha;
  if (plan.waits) context.log({ type: 'target', sha });
  const difference =
    (await differsFrom(context, sha, live)) ??
    (changes.length > 0 ? 'tracked files have local changes' : null);
  const newer = newerRun(context.journal.entries(), plan.run);
  if (difference === null) return leaveUnchanged(context, sha, newer === null);
  if (newer !== null && !plan.force) refuseOlderRun(newer, plan.run);
  const what = sha === plan.ref ? 'There is something to deploy' : `Deploying ${sha}`;
  inform(context.log, `${what}: ${difference}.`);

  progress.enter('staged');
  const refuse: Refuse = (apps, top) => refuseImpossible(context, apps, top);
  const replaced = {
    sha: live.head.sha,
    tracked:
      live.head.sha === null ? new Map<string, string>() : await trackedFiles(context.git, live.head.sha),
    generated: live.generated,
  };
  const staged =
    (await stageKept(context, sha, live, replaced, refuse)) ??
    (await stage(
      context,
      sha,
      { ...replaced, sameSettings: await hasSameSettings(context, sha, live) },
      refuse,
    ));
  await refuseMisfit(context, staged.config, live.current);
  await adviseOnSettings(context, staged);
  const listed = await listExchange(context, staged, live.head, live.generated);
  await listed.settle();
  guardEnvFile(context, staged.staging);

  progress.enter('prepared');
  const go = await runner.go();
  // Before PM2 is looked at again: what another app's reload does to it meanwhile is not to be taken for its usual state.
  const turn = await startPm2Turn(context);
  try {
    return await proveAndGoLive(context, progress, live, staged, listed, {
      turn,
      migrates: go.migrate !== false,
    });
  } finally {
    turn.end();
  }
}

/** From the canary on, all with PM2's lock held. */
async function proveAndGoLive(
  context: Context,
  progress: Progress,
  live: Live,
  staged: Staged,
  listed: Listed,
  { turn, migrates }: { turn: Pm2Turn; migrates: boolean },
): Promise<End> {
  await checkLive(context, live.generated);
  if (migrates) progress.migrated = await migrate(context, staged, listed);
  const dressed = await withPreloads(context, staged);
  const boots = await prove(context, dressed, listed, live.current, () => progress.enter('canary'));
  return betweenReloadCommands(context, async (service) => {
    await waitForQuiet(context, staged.config, boots);
    return activate(context, progress, staged, live, boots, { turn, service });
  });
}

/** The canary is started as the app will be, so that it shows what the preload does to it. */
async function withPreloads({ plan, pm2 }: Context, staged: Staged): Promise<Staged> {
  const running = await pm2.list();
  const preloads = await choosePreloads(plan, pm2, staged.config, running);
  return { ...staged, config: dressAll(staged.config, preloads, running, plan.pm2Env) };
}

async function activate(
  context: Context,
  progress: Progress,
  staged: Staged,
  live: Live,
  boots: readonly Boot[],
  held: Held,
): Promise<End> {
  const { transaction, instances } = await drawUp(context, staged, live, boots, progress.migrated);
  // Last of all: what somebody changes later than this is replaced, and is in no patch.
  await checkLive(context, live.generated);
  await saveChanges(context, live.generated);

  // Anew, since a disk that was full for a moment has taken the first one.
  takeReserve(context.runDir);
  // From here on no cancel counts; one that has come already does.
  context.runner.standAlone();
  saveTransaction(context.places.state, transaction);
  const urls = [...new Set([transaction.healthUrl, transaction.before.healthUrl])];
  const probe = startProbe(urls.filter((url) => url !== null));
  try {
    const end = await goLive(context, progress, transaction, instances, boots, held);
    return { ...end, requests: probe.stop() };
  } finally {
    probe.stop();
  }
}

/** `noted`: in the history it then stands for this run having asked for what runs, and no older run replaces it any more. */
function leaveUnchanged({ journal, plan }: Context, sha: string, noted: boolean): End {
  if (noted) journal.end(subjectOf(plan, sha), 'fetched', 'unchanged');
  return { outcome: 'unchanged', sha, previousSha: sha, failure: null };
}
