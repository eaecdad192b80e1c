import type { Plan } from '../../protocol.ts';
import { DeployFailure } from '../system/failure.ts';
import { type Git, splitZ } from './git.ts';
import { initRepository, isFullId, type ObjectFormat } from './object-format.ts';
import { type Access, openRemote, type Remote } from './remote.ts';

/** Refs of ours, so that what was fetched is not garbage to git. */
const OURS = 'refs/pm2-ssh-deploy';
const FETCH = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules'];

/** Makes an empty repository at git's directory that knows where it came from. */
export async function createRepository(git: Git, url: string, format: ObjectFormat): Promise<void> {
  await initRepository(git, format);
  const remote = await git.attempt(['remote', 'add', 'origin', '--', url]);
  if (remote.code !== 0) await git.text(['remote', 'set-url', 'origin', '--', url], 'Setting origin');
}

/**
 * Brings exactly the commit that was asked for onto the host and resolves with its full id.
 * A commit that is there already is not fetched again.
 */
export async function fetchCommit(
  git: Git,
  { ref, repository }: { ref: string } & Pick<Plan, 'repository'>,
  access: Access,
): Promise<string> {
  if (isFullId(ref) && (await has(git, ref))) return ref;
  const remote = await openRemote(git, repository, access);
  const sha = isFullId(ref) ? ref : await lookUp(remote, ref);
  if (sha !== null) {
    if (await has(git, sha)) return sha;
    const direct = await remote.attempt(FETCH, [`+${sha}:${OURS}/${sha}`]);
    if (direct.code === 0) return sha;
  }
  // Some servers hand out a commit only as part of a branch or tag.
  const all = [`+refs/heads/*:${OURS}/heads/*`, `+refs/tags/*:${OURS}/tags/*`];
  await remote.text([...FETCH, '--prune'], all, `Fetching ${ref} from the repository`);
  const found = await git.attempt(['rev-parse', '--verify', '--quiet', `${sha ?? ref}^{commit}`]);
  if (found.code === 0 && (sha !== null || /^[0-9a-f]{7,}$/.test(ref))) return found.stdout.trim();
  throw new DeployFailure(
    `The repository has no ${isFullId(ref) ? 'commit' : 'branch, tag or commit'} '${ref}'.`,
    {
      remedy:
        'Check ref for a typing error, and that the commit was pushed to the repository that the server fetches from.',
    },
  );
}

/**
 * Looks for the commit of a plan without fetching it, and says what was found. Throws a `DeployFailure` where the repository
 * does not answer, or has no such branch or tag.
 */
export async function findRef(
  git: Git,
  { ref, repository }: Pick<Plan, 'ref' | 'repository'>,
  access: Access,
): Promise<string> {
  const remote = await openRemote(git, repository, access);
  if (ref !== null && !isFullId(ref)) {
    const sha = await lookUp(remote, ref);
    if (sha !== null) return `The repository answers: ${ref} is ${sha} there.`;
    throw new DeployFailure(`The repository has no branch or tag '${ref}'.`, {
      remedy:
        'Check ref for a typing error, and that it was pushed to the repository that the server fetches from.',
    });
  }
  await remote.text(['ls-remote', '--quiet'], ['HEAD'], 'Asking the repository');
  return 'The repository answers.';
}

/**
 * Whether the commit is here with all that belongs to it. A fetch that a full disk or a reboot cut short leaves the commit
 * without its files, and git checks such a one out as empty, with exit code 0.
 */
async function has(git: Git, sha: string): Promise<boolean> {
  if ((await git.attempt(['cat-file', '-e', `${sha}^{commit}`])).code !== 0) return false;
  return (await git.attempt(['rev-list', '--quiet', '--objects', sha, '--not', '--all'])).code === 0;
}

/** The commit that a branch or tag names on the remote now, or null where neither exists. */
async function lookUp(remote: Remote, ref: string): Promise<string | null> {
  const names = ref.startsWith('refs/') ? [ref] : [`refs/heads/${ref}`, `refs/tags/${ref}`];
  const patterns = names.flatMap((name) => [name, `${name}^{}`]);
  const listing = await remote.text(
    ['ls-remote', '--quiet'],
    patterns,
    `Looking up ${ref} in the repository`,
  );
  const commits = new Map<string, string>();
  for (const line of listing.split('\n')) {
    const [sha = '', name = ''] = line.split('\t');
    // The peeled line of an annotated tag comes after the tag's own, and names the commit.
    if (names.includes(name.replace('^{}', ''))) commits.set(name.replace('^{}', ''), sha);
  }
  const distinct = new Set(commits.values());
  if (distinct.size > 1) {
    throw new DeployFailure(
      `'${ref}' is both a branch and a tag of the repository, and they name different commits.`,
      {
        remedy: `Give ref as refs/heads/${ref} or refs/tags/${ref}.`,
      },
    );
  }
  return [...distinct][0] ?? null;
}

/** Keeps refs of ours for the given commits alone. */
export async function pruneRefs(git: Git, keep: readonly (string | null)[]): Promise<void> {
  const listing = await git.attempt(['for-each-ref', '--format=%(refname)%00', OURS]);
  const stale = splitZ(listing.stdout.replace(/\n/g, '')).filter(
    (name) => !keep.includes(name.slice(OURS.length + 1)),
  );
  const updates = keep.flatMap((sha) => (sha === null ? [] : [`update ${OURS}/${sha} ${sha}\n`]));
  await git.attempt(['update-ref', '--stdin'], {
    input: stale
      .map((name) => `delete ${name}\n`)
      .concat(updates)
      .join(''),
  });
}
