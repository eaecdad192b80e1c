import type { State } from '../../protocol.ts';
import { type Context, inform, warn } from '../context.ts';
import { removeGitLocks } from '../git/checkout.ts';
import { endHalfWay } from '../handover/half-way.ts';
import { expectationOf } from '../health/expectation.ts';
import type { Expected } from '../health/health.ts';
import { verify } from '../health/verify.ts';
import { secretsOfApp } from '../program/redact.ts';
import { type Entry, unfinished } from '../state/journal.ts';
import { loadTransaction, type Transaction, transactionSavedAt } from '../state/transaction.ts';
import { DeployFailure } from '../system/failure.ts';
import { commit } from './commit.ts';
import { exchangeOf } from './layout.ts';
import { type Pm2Turn, startPm2Turn } from './locks.ts';
import { NOT_UNDONE } from './migrate.ts';
import { rollBack, rollbackId } from './rollback.ts';

/** Whoever takes part in ending a deploy of their own. */
export interface Owner {
  /** Told what the deploy enters. */
  onState(state: State): void;
  /** Returns once it is decided that a verified version stays. Throws a `DeployFailure` if it has to go back. */
  standBy(turn: Pm2Turn, onBegin: () => void): Promise<void>;
}

/** A deploy of another job, which nobody follows any more. */
const NOBODY: Owner = { onState() {}, standBy: () => Promise.resolve() };

/**
 * Ends what a deploy, killed in the middle, left open: what really runs decides which way. Throws where not even the
 * files of the old version can be brought back. `trouble` is what its reload was stopped for, from `watchLeftReload`.
 */
export async function reconcile(
  context: Context,
  trouble: string | null,
  owner: Owner = NOBODY,
): Promise<void> {
  const entry = unfinished(context.journal.entries());
  if (entry === null) return;
  const transaction = loadTransaction(context.places.state);
  if (transaction === null || transaction.deployId !== entry.deploy) {
    throw new DeployFailure(
      `Deploy ${entry.deploy} was interrupted in ${entry.state}, and its record is gone from ${context.places.state}.`,
      {
        remedy: 'Make sure that the app runs as it should. Then remove that directory and run the job again.',
      },
    );
  }
  inform(
    context.log,
    `Deploy ${entry.deploy} (${entry.run.url}) was interrupted in ${entry.state}. This run ends it first.`,
  );
  for (const app of [...transaction.before.apps, ...transaction.config])
    context.redactor.hide(secretsOfApp(app));
  // A reboot kills git as well, in the middle of the index: nobody else is to be asked to take its lock away.
  const locks = await removeGitLocks(context.git, transactionSavedAt(context.places.state));
  if (locks.length > 0)
    warn(context.log, `Removed lock files of a git that was killed: ${locks.join(', ')}.`);
  const turn = await startPm2Turn(context);
  try {
    const isOwn = transaction.deployId === context.plan.deployId;
    const teller = isOwn ? owner : { ...NOBODY, onState: owner.onState };
    await end(context, entry, transaction, trouble, turn, teller);
  } finally {
    turn.end();
  }
}

async function end(
  context: Context,
  entry: Entry,
  transaction: Transaction,
  trouble: string | null,
  turn: Pm2Turn,
  { onState, standBy }: Owner,
): Promise<void> {
  const { journal } = context;
  const isGoingBack = entry.state === 'rolling-back' || entry.state === 'rollback-failed';
  const { deployId } = transaction;
  await endHalfWay(context, isGoingBack ? rollbackId(deployId) : deployId);
  // What a rollback is for was noted as it began.
  const killed = [`The host program was killed, or crashed, in ${entry.state}.`, trouble ?? []]
    .flat()
    .join(' ');
  let why = entry.reason ?? (transaction.migrated ? `${killed} ${NOT_UNDONE}` : killed);
  if (entry.state !== 'rollback-failed') {
    if (entry.state !== 'rolling-back' && trouble === null) {
      onState('verifying');
      const expected = await healthyAs(context, transaction);
      const onBegin = (): void => {
        onState('verified');
        journal.enter(entry, 'verified');
      };
      const refusal = expected === null ? null : await refusalOf(() => standBy(turn, onBegin));
      if (expected !== null && refusal === null) {
        await commit(context, transaction, expected);
        inform(context.log, `Its version is healthy and stays: ${transaction.sha}.`);
        onState('committed');
        return;
      }
      if (refusal !== null) why = transaction.migrated ? `${refusal} ${NOT_UNDONE}` : refusal;
    }
    try {
      journal.enter(entry, 'rolling-back', why);
      onState('rolling-back');
      await rollBack(context, transaction, true);
      journal.end(entry, 'rolled-back', 'rolled-back', why);
      onState('rolled-back');
      inform(context.log, `Deploy ${entry.deploy} was rolled back.`);
      return;
    } catch (error) {
      why = `${why} Then the rollback failed, too: ${(error as Error).message}`;
      journal.end(entry, 'rollback-failed', 'rollback-failed', why);
      onState('rollback-failed');
    }
  }
  // The rollback was tried and did not become healthy: the files are made whole, and a new version is the way out.
  await exchangeOf(context, transaction).swapOut();
  journal.end(entry, 'rolled-back', 'rollback-failed', why);
  warn(
    context.log,
    'Its rollback had failed. The files of the old version are in place, and a deploy can go on from there.',
  );
}

/** What the version is healthy as; null if it is not, or not swapped in. */
async function healthyAs(context: Context, transaction: Transaction): Promise<Expected | null> {
  // A rollback that a full disk kept from being written down may have begun: then the processes alone are new.
  if (transaction.swapped === null || !exchangeOf(context, transaction).isIn()) return null;
  const expected = expectationOf(transaction);
  try {
    // A deploy of this very job has all of its time; what an earlier one left had that long ago.
    const isOwn = transaction.deployId === context.plan.deployId;
    const limits = { ...transaction, ...(!isOwn && { healthTimeout: 0 }) };
    await context.clock.book('verify', () =>
      verify(context.pm2, expected, limits, { tell: (text) => inform(context.log, text) }),
    );
    return expected;
  } catch (error) {
    inform(context.log, `Its version is not healthy: ${(error as Error).message}`);
    return null;
  }
}

/** Why a verified version has to go back; null if it stays. */
async function refusalOf(standBy: () => Promise<void>): Promise<string | null> {
  try {
    await standBy();
    return null;
  } catch (error) {
    if (!(error instanceof DeployFailure)) throw error;
    return error.message;
  }
}
