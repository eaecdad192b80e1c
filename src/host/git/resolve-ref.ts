import type { Plan } from '../../protocol.ts';
import { DeployFailure } from '../system/failure.ts';
import type { Git } from './git.ts';
import { formatOfRemote, isFullId } from './object-format.ts';
import type { Remote } from './remote.ts';
import { inScratch } from './scratch.ts';

/**
 * Which commits may be meant. GitHub keeps the commits of all forks in one store and hands out each by its id, so that
 * `any` commit may be a stranger's; a `tracked` one is in the history of a branch or tag of the repository.
 */
export type RefRule = 'tracked' | 'any';

/** What the workflow runs for was chosen by GitHub, not by an input. On a fork's event a stranger chose it. */
export function ruleOf({
  refOrigin,
  allowUntrackedRef,
}: Pick<Plan, 'refOrigin' | 'allowUntrackedRef'>): RefRule {
  return allowUntrackedRef || refOrigin === 'workflow' ? 'any' : 'tracked';
}

/** A remote, as it is seen from `live`, whose repository may be absent. */
export interface Source {
  remote: Remote;
  live: Git;
  gitIn: (directory: string) => Git;
}

const ABBREVIATED = /^[0-9a-f]{7,}$/;
/** Commits alone. A server that cannot leave out files sends them too, and the answer is the same. */
export const WITHOUT_FILES = '--filter=tree:0';

/**
 * The full id of the commit that `ref` names on the remote now: by the name of a branch or tag, or by an id, which may
 * be the beginning of one. With the rule `any` a full id is taken as it is. Throws a `DeployFailure` if there is none.
 */
export async function resolveRef(source: Source, ref: string, rule: RefRule): Promise<string> {
  if (isFullId(ref)) {
    if (rule === 'any' || (await tips(source.remote)).has(ref)) return ref;
    if ((await trackedCommits(source)).includes(ref)) return ref;
    throw new DeployFailure(`No branch or tag of the repository contains the commit '${ref}'.`, {
      remedy: `${CHECK} ${UNTRACKED}`,
    });
  }
  if (rule === 'tracked' && /^refs\/(?!heads\/|tags\/)/.test(ref)) {
    throw new DeployFailure(`'${ref}' is neither a branch nor a tag.`, { remedy: UNTRACKED });
  }
  const named = await lookUp(source.remote, ref);
  if (named !== null) return named;
  const begins = ABBREVIATED.test(ref)
    ? (await trackedCommits(source)).filter((sha) => sha.startsWith(ref))
    : [];
  if (begins[0] !== undefined && begins.length === 1) return begins[0];
  if (begins.length === 0) throw noSuch(ref, ABBREVIATED.test(ref) && rule === 'tracked');
  throw new DeployFailure(
    `${begins.length} commits of the repository have an id that begins with '${ref}'.`,
    {
      output: begins.slice(0, 20),
      remedy: 'Give the full id as ref.',
    },
  );
}

const CHECK =
  'Check ref for a typing error, and that it was pushed to the repository from which the server fetches.';
const UNTRACKED =
  'A commit that only a fork or a pull request has is refused, because anybody can make one: merge it first, or set allow-untracked-ref.';

/** The repository lacks what was asked for. */
export function noSuch(ref: string, mayBeUntracked = false): DeployFailure {
  const kinds = isFullId(ref) ? 'commit' : ABBREVIATED.test(ref) ? 'branch, tag or commit' : 'branch or tag';
  return new DeployFailure(`The repository has no ${kinds} '${ref}'.`, {
    remedy: mayBeUntracked ? `${CHECK} ${UNTRACKED}` : CHECK,
  });
}

/** The commits that branches and tags name on the remote. */
async function tips(remote: Remote): Promise<Set<string>> {
  const listing = await remote.text(
    ['ls-remote', '--quiet', '--heads', '--tags'],
    [],
    'Asking the repository',
  );
  return new Set(namedCommits(listing).values());
}

/** Every commit that a branch or tag of the remote contains. */
export function trackedCommits({ remote, live, gitIn }: Source): Promise<string[]> {
  return formatOfRemote(remote).then((format) =>
    inScratch(live, gitIn, format, async (scratch) => {
      const refs = ['+refs/heads/*:refs/heads/*', '+refs/tags/*:refs/tags/*'];
      const fetch = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', WITHOUT_FILES];
      await remote.text(fetch, refs, 'Reading the history of the repository', scratch);
      // A walk, not a look-up by id: git would fetch a commit that is missing, from the fork that has it.
      return (await scratch.text(['rev-list', '--all'], 'Reading the history of the repository')).split('\n');
    }),
  );
}

/** The commit that a branch or tag names on the remote now, or null if neither exists. */
async function lookUp(remote: Remote, ref: string): Promise<string | null> {
  const names = ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const patterns = names.flatMap((name) => [name, `${name}^{}`]);
  const listing = await remote.text(
    ['ls-remote', '--quiet'],
    patterns,
    `Looking up ${ref} in the repository`,
  );
  const commits = [...namedCommits(listing)].filter(([name]) => names.includes(name));
  const distinct = new Set(commits.map(([, sha]) => sha));
  if (distinct.size > 1) {
    throw new DeployFailure(
      `'${ref}' is both a branch and a tag of the repository, and they name different commits.`,
      {
        remedy: `Set ref to refs/heads/${ref} or refs/tags/${ref}.`,
      },
    );
  }
  return [...distinct][0] ?? null;
}

/** Full names to commits. */
function namedCommits(listing: string): Map<string, string> {
  const commits = new Map<string, string>();
  for (const line of listing.split('\n')) {
    const [sha = '', name = ''] = line.split('\t');
    // The peeled line of an annotated tag comes after the tag's own, and names the commit.
    if (name !== '') commits.set(name.replace('^{}', ''), sha);
  }
  return commits;
}
