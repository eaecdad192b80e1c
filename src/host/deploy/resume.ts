import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Failure, STATES, type State } from '../../protocol.ts';
import { endLeftBuild } from '../build/staging-clone.ts';
import { removeCanaries } from '../canary/run.ts';
import { type Context, warn } from '../context.ts';
import type { End, Progress } from '../program/end.ts';
import { programLog } from '../program/program-log.ts';
import { endedDeploys } from '../state/history.ts';
import { subjectOf } from '../state/journal.ts';
import { loadTransaction } from '../state/transaction.ts';
import { objectIn } from '../system/checked.ts';
import { failureOf } from '../system/failure.ts';
import { watchLeftReload } from './left-reload.ts';
import { readLiveHead } from './live.ts';
import { takeAppLock } from './locks.ts';
import { forgetMigration, MAY_HAVE_RUN, migrationLeft } from './migrate.ts';
import { reconcile } from './reconcile.ts';
import { endReloadCommands, leftService, withCommandLeft, withFailure } from './reload-commands.ts';
import { standBy } from './stand-by.ts';

const REMEDY =
  'Run the job again. If it ends like this again, check whether the host runs out of memory (dmesg, journalctl -k).';

/**
 * Ends what this very deploy has left open, whose program was killed or crashed, and tells how it ended: as the journal
 * has it, whoever has written that.
 */
export async function resume(context: Context, progress: Progress): Promise<End> {
  const { plan, places, runDir } = context;
  const reached = lastState(runDir);
  const killed = `The program that carries out the deploy on the host was killed, or crashed, in ${reached}.`;
  const output = programLog(runDir);
  progress.state = reached;
  warn(context.log, `${killed} Now its work is ended.`);
  const stopped = await watchLeftReload(context);
  // Git and PM2 children that it left hold the lock until they end.
  await takeAppLock(context);
  endLeftBuild(places.beside);
  await removeCanaries(context);
  const trouble = await reconcile(context, stopped, {
    onState: (state) => progress.enter(state),
    standBy: async (turn, onBegin) => {
      if (plan.waits) await standBy(context, { turn, service: leftService(context) }, onBegin);
    },
  }).then(
    () => null,
    (error: unknown) => ({ error }),
  );

  const left =
    trouble === null
      ? await endReloadCommands(context).catch((error: unknown) => failureOf(error, reached))
      : null;
  const why = migrationLeft(context) === plan.deployId ? `${killed} ${MAY_HAVE_RUN}` : killed;
  const end = await endOf(context, reached, why, output, trouble);
  forgetMigration(context);
  if (left !== null) return withFailure(end, left);
  return end.failure === null ? end : { ...end, failure: withCommandLeft(context, end.failure) };
}

/** How the deploy ended, as the journal has it, or what kept it from being ended. */
async function endOf(
  context: Context,
  reached: State,
  killed: string,
  output: string[],
  trouble: { error: unknown } | null,
): Promise<End> {
  const { plan, places, journal } = context;
  const entry = endedDeploys(journal.entries()).find(({ deploy }) => deploy === plan.deployId);
  const { sha } = await readLiveHead(context);
  const failure = (state: State, message: string): Failure => ({
    state,
    message,
    remedy: REMEDY,
    output,
    appLogs: [],
    live: null,
    rollback: null,
  });
  if (entry === undefined || entry.outcome === null) {
    if (trouble !== null)
      return { outcome: 'failed', sha: null, previousSha: null, failure: failureOf(trouble.error, reached) };
    const state = beforeActivating(reached);
    journal.end(subjectOf(plan, null), state, 'failed', killed);
    return { outcome: 'failed', sha, previousSha: sha, failure: failure(state, killed) };
  }
  const { outcome, reason } = entry;
  const transaction = loadTransaction(places.state);
  const previousSha = transaction?.deployId === plan.deployId ? transaction.previousSha : sha;
  if (outcome === 'deployed') return { outcome, sha: entry.sha, previousSha, failure: null };
  if (outcome === 'unchanged') return { outcome, sha, previousSha: sha, failure: null };
  return { outcome, sha, previousSha, failure: failure(reached, reason ?? killed) };
}

/** What the program had entered last. A full disk may have torn its last line. */
export function lastState(runDir: string): State {
  const states = readFileSync(join(runDir, 'events.ndjson'), 'utf8')
    .split('\n')
    .map(objectIn)
    .filter((event) => event?.type === 'state')
    .map((event) => STATES.find((known) => known === event?.state) ?? 'preflight');
  return states[states.length - 1] ?? 'preflight';
}

/** A state is told before the journal has it: as long as that does not, nothing was done in it. */
function beforeActivating(state: State): State {
  return STATES.indexOf(state) < STATES.indexOf('activating') ? state : 'prepared';
}
