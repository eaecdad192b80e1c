import { accessSync, constants } from 'node:fs';
import { dirname } from 'node:path';
import { readApps } from '../build/apps.ts';
import { type Context, inform, warn } from '../context.ts';
import { requireFit } from '../deploy/fit.ts';
import { readLive, readLiveHead } from '../deploy/live.ts';
import { checkLive } from '../deploy/live-checkout.ts';
import { upkeepOf } from '../deploy/upkeep.ts';
import { isCheckout } from '../git/checkout.ts';
import { findCommit } from '../git/fetch.ts';
import type { Git } from '../git/git.ts';
import { ruleOf } from '../git/resolve-ref.ts';
import { readBaseline } from '../health/baseline.ts';
import type { End } from '../program/end.ts';
import { loadCurrent } from '../state/current.ts';
import { type Places, refuseApart, treeOf } from '../state/places.ts';
import { DeployFailure, failureOf } from '../system/failure.ts';
import { exists } from '../system/paths.ts';
import { requirePrivate } from '../system/private-directory.ts';
import { changeOfEnvFile, changesOfCommit } from './dry-run.ts';
import { lookInsideCommit, type See } from './inside-commit.ts';
import { remarksOn, whyUnhealthy } from './status.ts';

/** Looks at all that a deploy needs and can be seen without one, beyond what preflight has seen. Changes nothing. */
export async function check(context: Context): Promise<End> {
  const { places, git, gitIn, log } = context;
  const there = isCheckout(places.top);
  const { sha } = await readLiveHead(context);
  for (const remark of remarksOn(context, sha)) warn(log, remark);
  if (!there) inform(log, `${places.top} is not a checkout yet. A deploy makes one.`);

  const problems: DeployFailure[] = [];
  let target: string | null = null;
  const see: See = async (look) => {
    try {
      const found = await look();
      if (found !== null) inform(log, found);
    } catch (error) {
      if (!(error instanceof DeployFailure)) throw error;
      problems.push(error);
    }
  };
  await see(async () => requireWritable(places.state));
  await see(async () => requireOwnPlaces(places));
  await see(async () => {
    target = await lookAtCommit(context, there ? git : gitIn('/'), sha, see);
    return changeOfEnvFile(context);
  });
  if (there) {
    await see(() => lookAtCheckout(context));
    await see(() => lookAtApps(context));
  }
  for (const text of await upkeepOf(context)) inform(log, text);
  const unhealthy = await whyUnhealthy(context);
  const failure =
    problems.length === 0 && unhealthy !== null
      ? failureOf(new DeployFailure(unhealthy), 'preflight')
      : failureOfAll(problems);
  return {
    outcome: failure === null ? 'unchanged' : 'failed',
    sha,
    previousSha: sha,
    target,
    failure,
    unhealthy,
  };
}

function failureOfAll(problems: readonly DeployFailure[]): End['failure'] {
  const [first, ...others] = problems;
  if (first === undefined) return null;
  const { message, remedy, output } = first;
  const more =
    others.length === 0
      ? ''
      : ` ${others.length} more ${others.length === 1 ? 'problem is' : 'problems are'} listed below.`;
  const listed = others.flatMap((one) => [one.message, ...(one.remedy ? [one.remedy] : []), ...one.output]);
  return {
    state: 'preflight',
    message: `A deploy would fail: ${message}${more}`,
    remedy,
    output: [...output, ...listed],
    appLogs: [],
    live: null,
    rollback: null,
  };
}

function requireWritable(state: string): null {
  let there = state;
  while (!exists(there)) there = dirname(there);
  try {
    accessSync(there, constants.W_OK | constants.X_OK);
    return null;
  } catch {
    throw new DeployFailure(`This user may not write to ${there}, where the journal is.`, {
      remedy: `Give it to this user on the server: 'sudo chown -R <user> ${there}'.`,
    });
  }
}

/** The build needs directories that no other user can enter, on the mount of `path`. */
function requireOwnPlaces(places: Places): null {
  requirePrivate(dirname(places.state), places.state, places.beside);
  refuseApart(places);
  return null;
}

/** Gives the commit's full id, if it has one yet. */
async function lookAtCommit(
  context: Context,
  git: Git,
  live: string | null,
  see: See,
): Promise<string | null> {
  const { plan, gitIn, log } = context;
  const { ref, repository } = plan;
  if (plan.source.kind === 'upload') {
    inform(log, 'A check sends no files, so the ecosystem file of the upload is not looked at.');
    return null;
  }
  if (ref === null) throw new DeployFailure('The plan names no commit.');
  const { sha, text } = await findCommit(git, gitIn, { ref, rule: ruleOf(plan), repository }, context.access);
  inform(log, text);
  for (const change of live === null ? [] : await changesOfCommit(context, live, sha)) inform(log, change);
  await lookInsideCommit(context, git, sha, see);
  return sha;
}

async function lookAtCheckout(context: Context): Promise<string> {
  const { generated } = await readLive(context);
  const changes = await checkLive(context, generated);
  return changes.length === 0
    ? 'The checkout has no local changes.'
    : `A deploy saves these local changes first, and then replaces them (local-changes): ${changes.slice(0, 20).join(', ')}.`;
}

/** By the file that is live: what PM2 runs must fit it. */
async function lookAtApps(context: Context): Promise<string | null> {
  const { places, plan, pm2, log } = context;
  try {
    const config = await readApps(context, treeOf(places), plan.deployId);
    const names = config.map(({ name }) => name);
    const { instances } = await readBaseline(pm2, names);
    for (const text of requireFit(context, config, instances, loadCurrent(places.state))) inform(log, text);
    return `The live ecosystem file names ${names.join(', ')}.`;
  } catch (error) {
    const current = loadCurrent(places.state);
    // Before the first deploy the live commit may have no such file, or no build yet.
    if (!(error instanceof DeployFailure) || current !== null) throw error;
    warn(log, `${error.message} The file of the new commit decides.`);
    return null;
  }
}
