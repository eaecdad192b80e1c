import { mkdirSync, readdirSync, renameSync, statSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type Context, inform } from '../context.ts';
import { readHead } from '../git/checkout.ts';
import { type Instance, instancesIn } from '../pm2/list.ts';
import type { End, Progress } from '../program/end.ts';
import { type Current, loadCurrent } from '../state/current.ts';
import { type Entry, subjectOf, unfinished } from '../state/journal.ts';
import { DeployFailure, failureOf } from '../system/failure.ts';
import { mountPoints } from '../system/mounts.ts';
import { exists, isWithin, isWritable, realOrSame } from '../system/paths.ts';
import { makePrivate } from '../system/private-directory.ts';
import { startPm2Turn, takeAppLock } from './locks.ts';
import { newerRun, refuseOlderRun } from './newer-run.ts';

/** What of the state directory outlives the app: who did what here, and the lock that another deploy may wait for. */
const STAYS: readonly string[] = ['journal.ndjson', 'lock', 'holder.json'];

/**
 * Takes the app out of PM2, and its directory away. Only what a deploy of ours brought goes: all else is refused before
 * anything is changed. Once begun it is finished, by a later run if this one is killed.
 */
export async function remove(context: Context, progress: Progress): Promise<End> {
  const { places, plan, pm2, runner, journal } = context;
  const left = unfinished(journal.entries());
  if (!exists(places.top) && left === null) return nothingThere(await pm2.list(), places.top);
  if (journal.entries().length === 0) throw refused(`This action never deployed to ${places.top}.`);
  progress.enter('locked');
  await takeAppLock(context);
  const sha = isRemoval(left) ? left.sha : (await readHead(context.git)).sha;
  try {
    const entries = journal.entries();
    if (!isRemoval(unfinished(entries))) {
      const newer = newerRun(entries, plan.run);
      if (newer !== null && !plan.force) refuseOlderRun(newer, plan.run);
      refuseOthers(context, sha, await pm2.list());
    }
    runner.standAlone();
    progress.enter('removing');
    journal.enter(subjectOf(plan, sha), 'removing');
    await takeAway(context);
    journal.end(subjectOf(plan, sha), 'removed', 'removed');
    progress.enter('removed');
    return { outcome: 'removed', sha: null, previousSha: sha, failure: null };
  } catch (error) {
    const failure = failureOf(error, progress.state);
    if (progress.state === 'removing' && failure.remedy === null)
      failure.remedy = 'Run the job again: it goes on with the removal.';
    const now = (await readHead(context.gitAfterwards)).sha;
    return { outcome: 'failed', sha: now, previousSha: sha, failure };
  }
}

/** Ends the removal that this very job has begun, and whose program was killed. */
export async function resumeRemoval(context: Context, progress: Progress): Promise<End> {
  const { plan, journal, git } = context;
  const begun = journal
    .entries()
    .filter(({ deploy }) => deploy === plan.deployId)
    .at(-1);
  if (begun === undefined) {
    const { sha } = await readHead(git);
    const killed = new DeployFailure(
      'The program that removes the app was killed before it began. Nothing was removed.',
      { remedy: 'Run the job again.' },
    );
    return { outcome: 'failed', sha, previousSha: sha, failure: failureOf(killed, 'locked') };
  }
  if (begun.outcome === null) {
    progress.enter('removing');
    await takeAppLock(context);
    await finishRemoval(context);
    progress.enter('removed');
  }
  return { outcome: 'removed', sha: null, previousSha: begun.sha, failure: null };
}

/** Ends a removal that was interrupted, with the app's lock held, and makes the directory anew for the deploy that follows. */
export async function endRemoval(context: Context): Promise<void> {
  if (await finishRemoval(context)) mkdirSync(context.places.top, { recursive: true });
}

async function finishRemoval(context: Context): Promise<boolean> {
  const { journal, log } = context;
  const left = unfinished(journal.entries());
  if (!isRemoval(left)) return false;
  inform(log, `A removal (${left.run.url}) was interrupted. It is ended first.`);
  await takeAway(context);
  journal.end(left, 'removed', 'removed');
  return true;
}

function isRemoval(entry: Entry | null): entry is Entry {
  return entry?.state === 'removing';
}

/** Can be done again after a kill at any point. */
async function takeAway(context: Context): Promise<void> {
  const { places, plan, pm2, clock, log } = context;
  const { top, beside, state } = places;
  const turn = await startPm2Turn(context);
  try {
    const own = instancesIn(top, await pm2.list());
    const names = namesOf(own, loadCurrent(state));
    await clock.book('pm2', () => pm2.remove(own));
    if (plan.save && names.length > 0) await clock.book('pm2', () => pm2.save(names));
    if (names.length > 0) inform(log, `Removed from PM2: ${names.join(', ')}.`);
  } finally {
    turn.end();
  }
  makePrivate(beside);
  // At once, so that nobody ever meets half of a directory.
  const gone = join(beside, 'removed');
  await rm(gone, { recursive: true, force: true });
  if (exists(top)) renameSync(top, gone);
  await rm(beside, { recursive: true, force: true });
  const known = readdirSync(state).filter((name) => !STAYS.includes(name));
  await Promise.all(known.map((name) => rm(join(state, name), { recursive: true, force: true })));
}

function namesOf(own: readonly Instance[], current: Current | null): string[] {
  return [...new Set([...own, ...(current?.config ?? [])].map(({ name }) => name))];
}

/** Where there is no directory. PM2 may still run something from there, which no deploy of ours has left so. */
function nothingThere(all: readonly Instance[], top: string): End {
  const own = instancesIn(top, all);
  if (own.length > 0)
    throw new DeployFailure(
      `${top} is gone, but PM2 runs '${own[0]?.name}' there. Somebody removed the directory by hand.`,
      { remedy: `Take it out of PM2 on the server: 'pm2 delete ${own[0]?.name}'.` },
    );
  return { outcome: 'unchanged', sha: null, previousSha: null, failure: null };
}

/** Refuses to take away what no deploy of ours brought. Throws a `DeployFailure`. */
function refuseOthers({ places, journal }: Context, sha: string | null, all: readonly Instance[]): void {
  const { top, beside, state } = places;
  const current = loadCurrent(state);
  if (current === null && !isEmptyCheckout(top, sha, journal.entries()))
    throw refused(`No version in ${top} was ever deployed by this action and verified.`);
  const other = instancesIn(top, all).find((one) => !isOurs(one, current));
  if (other !== undefined)
    throw refused(`PM2 runs '${other.name}' from ${other.cwd}, and this action did not deploy it.`);
  if (!statSync(join(top, '.git')).isDirectory())
    throw refused(`${top} is a worktree of another repository.`);
  const mount = mountPoints().find((point) => isWithin(top, point));
  if (mount !== undefined) throw refused(`Something is mounted at ${mount}.`);
  if (!isWritable(dirname(top)) || isWithin(top, beside))
    throw refused(
      `This user may not remove ${top}: it may not write to ${dirname(top)}, or that is another mount.`,
    );
}

/** What a first deploy leaves that failed: a repository without a version. */
function isEmptyCheckout(top: string, sha: string | null, entries: readonly Entry[]): boolean {
  return sha === null && entries.length > 0 && readdirSync(top).every((name) => name === '.git');
}

function isOurs({ name, cwd, deployId }: Instance, current: Current | null): boolean {
  const known = current?.config.find((app) => app.name === name);
  return known !== undefined && deployId !== null && realOrSame(cwd) === realOrSame(String(known.cwd));
}

function refused(why: string): DeployFailure {
  return new DeployFailure(`${why} Nothing was removed.`, {
    remedy: 'Check path for a typing error. If all of it is to go, remove it by hand on the server.',
  });
}
