import { type Context, inform } from '../context.ts';
import { createRepository, fetchCommit } from '../git/fetch.ts';
import { formatOf, formatOfRemote, isFullId } from '../git/object-format.ts';
import { openRemote } from '../git/remote.ts';
import { type RefRule, ruleOf } from '../git/resolve-ref.ts';
import { endedDeploys, goodVersions, isBad, type Version, versionBefore } from '../state/history.ts';
import type { Entry } from '../state/journal.ts';
import { DeployFailure } from '../system/failure.ts';
import { takeInUpload } from '../upload/take-in.ts';

const LISTED = 20;

/** Makes the repository at `path` for a first deploy, in the object format of the one that commits come from. */
export async function beginRepository(context: Context): Promise<void> {
  const { plan, git, gitIn } = context;
  // A full id tells the format; it spares asking.
  const format =
    plan.ref !== null && isFullId(plan.ref)
      ? formatOf(plan.ref)
      : await formatOfRemote(await openRemote(gitIn('/'), plan.repository, context.access));
  await createRepository(git, plan.repository.url, format);
}

/**
 * Brings the commit that is to go live onto the host: the one that was asked for, or in `rollback` an earlier one that
 * was verified here. `current` is the one that is checked out. Resolves with its full id.
 */
export async function targetCommit(context: Context, current: string | null): Promise<string> {
  const { plan, journal, log } = context;
  const { mode, ref } = plan;
  if (mode !== 'rollback') {
    if (ref === null) throw new DeployFailure('The plan names no commit.');
    if (plan.source.kind === 'upload') {
      await takeInUpload(context, ref);
      return ref;
    }
    return fetch(context, ref, ruleOf(plan));
  }
  const entries = journal.entries();
  const version =
    ref === null ? previousVersion(entries, current) : await namedVersion(context, entries, ref);
  inform(log, `Rolling back to ${describe(version)}.`);
  // It was verified here, whatever became of its branch.
  return fetch(context, version.sha, 'any');
}

function fetch(context: Context, ref: string, rule: RefRule): Promise<string> {
  const { git, gitIn, plan } = context;
  return fetchCommit(git, gitIn, { ref, rule, repository: plan.repository }, context.access);
}

/** The last verified version before the current one. Where HEAD was moved by hand since, that is the last one of all. */
export function previousVersion(entries: readonly Entry[], current: string | null): Version {
  const version = versionBefore(entries, current);
  if (version !== null) return version;
  throw new DeployFailure(
    `There is no version to roll back to. No commit was verified here before ${current ?? 'this'}, or each was rolled back.`,
    {
      output: endedDeploys(entries).slice(-LISTED).reverse().map(describe),
      remedy: 'Deploy the commit that you want: mode deploy, with its id as ref.',
    },
  );
}

/** The verified version that `ref` names: an id, the beginning of one, a branch or a tag. */
async function namedVersion(context: Context, entries: readonly Entry[], ref: string): Promise<Version> {
  const good = goodVersions(entries);
  const begin = /^[0-9a-f]{7,}$/.test(ref) ? good.filter(({ sha }) => sha.startsWith(ref)) : [];
  if (begin.length === 1 && begin[0] !== undefined) return begin[0];
  const sha = isFullId(ref) ? ref : await fetch(context, ref, 'tracked');
  const version = good.find((one) => one.sha === sha);
  if (version !== undefined) return version;
  const name = ref === sha ? sha : `${ref} (${sha})`;
  throw new DeployFailure(
    isBad(entries, sha)
      ? `${name} is marked bad: it had to be rolled back the last time that it went live here.`
      : `${name} was never verified here, so a rollback cannot go to it.`,
    {
      output: good.slice(0, LISTED).map(describe),
      remedy: `${good.length === 0 ? 'No version was verified here.' : 'Verified versions are listed, newest first.'} You can deploy any commit: mode deploy, with its id as ref.`,
    },
  );
}

function describe({ sha, outcome, at, run }: Entry): string {
  return `${sha ?? 'an unknown commit'}, ${outcome} at ${at} by ${run.actor}, ${run.url}`;
}
