import type { AppLog, Failure, State } from '../../protocol.ts';
import type { Boot } from '../canary/run.ts';
import { type Context, inform, warn } from '../context.ts';
import { expectationOf } from '../health/expectation.ts';
import { type Listener, listenTo } from '../health/last-words.ts';
import { verify } from '../health/verify.ts';
import type { Instance } from '../pm2/list.ts';
import type { End, Progress } from '../program/end.ts';
import { freeReserve, makeRoom } from '../program/reserve.ts';
import { subjectOf } from '../state/journal.ts';
import { treeOf } from '../state/places.ts';
import type { Transaction } from '../state/transaction.ts';
import { failureOf } from '../system/failure.ts';
import { commit } from './commit.ts';
import { exchangeOf } from './layout.ts';
import { withMigration } from './migrate.ts';
import { reload } from './reload.ts';
import { adviseOnPace } from './reload-advice.ts';
import { rollBack, rollbackId } from './rollback.ts';
import { type Held, standBy } from './stand-by.ts';

/** From the intent on: it ends with the new version verified, or with the old one back. */
export async function goLive(
  context: Context,
  progress: Progress,
  transaction: Transaction,
  instances: readonly Instance[],
  boots: readonly Boot[],
  held: Held,
): Promise<End> {
  const { sha, previousSha } = transaction;
  const subject = subjectOf(transaction, sha);
  const enter = (state: State): void => {
    progress.enter(state);
    context.journal.enter(subject, state);
  };
  const names = new Set([...transaction.config, ...transaction.before.apps].map(({ name }) => name));
  const listener = listenTo(context.pm2, [...names], instances);
  const pace = context.pm2.hearPace();
  try {
    enter('activating');
    await exchangeOf(context, transaction).swapIn();
    await reload(context, transaction, boots);
    enter('verifying');
    const expected = expectationOf(transaction);
    await context.clock.book('verify', () =>
      verify(context.pm2, expected, transaction, {
        listener,
        tell: (text) => inform(context.log, text),
      }),
    );
    if (context.plan.waits) await standBy(context, held, () => enter('verified'));
    progress.enter('committed');
    await commit(context, transaction, expected).catch((error: unknown) => {
      // A full disk is no reason to take down what is verified: the reserve is room enough.
      if (!makeRoom(context.runDir)) throw error;
      return commit(context, transaction, expected);
    });
    adviseOnPace(context, transaction, instances, pace, boots);
    return { outcome: 'deployed', sha, previousSha, failure: null };
  } catch (error) {
    const failure = withMigration(failureOf(error, progress.state), transaction.migrated);
    // However PM2's command ended, the daemon may still be busy with what it began.
    const stopped = progress.state === 'activating' && transaction.swapped !== null;
    return await goBack(context, progress, transaction, failure, stopped, listener);
  } finally {
    listener.close();
    pace.close();
  }
}

async function goBack(
  context: Context,
  progress: Progress,
  transaction: Transaction,
  failure: Failure,
  stopped: boolean,
  listener: Listener,
): Promise<End> {
  const { journal } = context;
  const { previousSha: sha } = transaction;
  const subject = subjectOf(transaction, transaction.sha);
  const enter = (state: State, note: () => void): void => {
    progress.enter(state);
    try {
      note();
    } catch (error) {
      // With a full disk the old version can be brought back all the same: that matters more than the journal.
      warn(context.log, `Could not write the journal: ${(error as Error).message}`);
    }
  };
  const failedAt = performance.now();
  const { deployId } = transaction;
  makeRoom(context.runDir);
  enter('rolling-back', () => journal.enter(subject, 'rolling-back', failure.message));
  inform(context.log, failure.message);
  try {
    // At once; where it fails, the rollback does it again.
    await exchangeOf(context, transaction)
      .swapOut()
      .catch(() => {});
    // Once verified, it is not for anything that the app has said.
    if (failure.state !== 'verified') failure.appLogs = await appLogs(listener, 'new', deployId, failedAt);
    await rollBack(context, transaction, stopped);
    freeReserve(context.runDir);
    enter('rolled-back', () => journal.end(subject, 'rolled-back', 'rolled-back', failure.message));
    return { outcome: 'rolled-back', sha, previousSha: sha, failure };
  } catch (error) {
    const second = failureOf(error, 'rolling-back');
    const old = await appLogs(listener, 'old', rollbackId(deployId), performance.now());
    failure.appLogs = [...failure.appLogs, ...old];
    freeReserve(context.runDir);
    enter('rollback-failed', () =>
      journal.end(subject, 'rollback-failed', 'rollback-failed', second.message),
    );
    return {
      outcome: 'rollback-failed',
      sha,
      previousSha: sha,
      failure: bothFailures(failure, second, context),
    };
  }
}

/** Never fails: a cause that cannot be read is no reason to stop a rollback. */
async function appLogs(
  listener: Listener,
  version: AppLog['version'],
  deployId: string,
  until: number,
): Promise<AppLog[]> {
  const words = await listener.words(deployId, until).catch(() => []);
  return words.map(({ app, lines }) => ({ app, version, lines }));
}

function bothFailures(first: Failure, second: Failure, { places }: Context): Failure {
  return {
    ...first,
    rollback: second.message,
    remedy: `The files of the old version are in ${treeOf(places)}. Log in and look at 'pm2 list' and 'pm2 logs'. Start the app with 'pm2 startOrReload' in ${places.workDir}. The next deploy goes on from whatever runs then.`,
    output: [...first.output, ...second.output],
  };
}
