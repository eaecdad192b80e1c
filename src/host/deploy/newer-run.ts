import type { Plan } from '../../protocol.ts';
import { standingDeploy } from '../state/history.ts';
import type { Entry } from '../state/journal.ts';
import { DeployFailure } from '../system/failure.ts';

/**
 * The deploy that stands here, if a newer run of the same repository made it. Runs are counted by GitHub as they are
 * created; a re-run keeps its number, since it is about the same old commit.
 */
export function newerRun(entries: readonly Entry[], run: Plan['run']): Entry | null {
  const standing = standingDeploy(entries);
  if (standing === null || standing.run.repository !== run.repository) return null;
  const [there, here] = [standing.run.id, run.id];
  if (!/^\d+$/.test(there) || !/^\d+$/.test(here)) return null;
  return BigInt(there) > BigInt(here) ? standing : null;
}

/** Refuses to undo what a newer run has done here. */
export function refuseOlderRun(newer: Entry, run: Plan['run']): never {
  const isRerun = Number(run.attempt) > 1;
  throw new DeployFailure(
    `Run ${newer.run.id} of this repository ${newer.outcome === 'removed' ? 'removed the app' : `deployed ${newer.sha}`} here at ${newer.at} (${newer.run.actor}, ${newer.run.url}). It is newer than this run, ${run.id}${isRerun ? `, whatever its attempt (${run.attempt})` : ''}.`,
    {
      remedy: isRerun
        ? 'To go back to an older version, start a new run with mode rollback. To let re-runs of old runs deploy, set force to the expression github.run_attempt > 1.'
        : 'What the newer run did stays. To go on anyway, set force to true, or start a new run.',
    },
  );
}
