import type { Outcome, State } from '../protocol.ts';
import { expectationOf, swapOut } from './activate.ts';
import { commit } from './commit.ts';
import { type Context, inform, warn } from './context.ts';
import { DeployFailure } from './failure.ts';
import { unfinished } from './journal.ts';
import { rollBack } from './rollback.ts';
import { loadTransaction, type Transaction } from './transaction.ts';
import { verify } from './verify.ts';

/** Ends what an earlier deploy, killed in the middle, left open: what really runs decides which way. */
export async function reconcile(context: Context): Promise<void> {
  const entry = unfinished(context.journal.entries());
  if (entry === null) return;
  const transaction = loadTransaction(context.places.state);
  if (transaction === null || transaction.deployId !== entry.deploy) {
    throw new DeployFailure(
      `Deploy ${entry.deploy} was interrupted in ${entry.state}, and its record is gone from ${context.places.state}.`,
      {
        remedy: 'Make sure that the app runs as it should, remove that directory, and run the job again.',
      },
    );
  }
  inform(
    context.log,
    `Deploy ${entry.deploy} (${entry.run.url}) was interrupted in ${entry.state}: it is ended first.`,
  );
  const note = (state: State, outcome: Outcome | null, reason: string | null): void => {
    context.journal.write({ deploy: entry.deploy, state, run: entry.run, sha: entry.sha, outcome, reason });
  };
  if (entry.state === 'rollback-failed') {
    // Its rollback was tried and did not become healthy: the files are made whole, and the new version is the way out.
    await swapOut(context, transaction);
    note('rolled-back', 'rollback-failed', 'the files are back; what PM2 ran did not become healthy');
    warn(
      context.log,
      'Its rollback had failed; the files of the old version are in place, and this deploy goes on from there.',
    );
    return;
  }
  if (entry.state !== 'rolling-back' && (await commitIfHealthy(context, transaction))) return;
  note('rolling-back', null, null);
  await rollBack(context, transaction, true);
  note('rolled-back', 'rolled-back', 'interrupted');
  inform(context.log, `Deploy ${entry.deploy} was rolled back.`);
}

async function commitIfHealthy(context: Context, transaction: Transaction): Promise<boolean> {
  if (transaction.swapped === null) return false;
  const expected = expectationOf(transaction);
  try {
    await context.clock.book('verify', () =>
      verify(context.pm2, expected, { ...transaction, healthTimeout: 0 }),
    );
  } catch (error) {
    inform(context.log, `Its version is not healthy: ${(error as Error).message}`);
    return false;
  }
  await commit(context, transaction, expected);
  inform(context.log, `Its version is healthy and was committed: ${transaction.sha}.`);
  return true;
}
