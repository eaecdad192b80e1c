import type { Plan } from '../../protocol.ts';
import { type Git, splitZ } from './git.ts';
import { formatOf, initRepository, isFullId, type ObjectFormat } from './object-format.ts';
import { type Access, openRemote } from './remote.ts';
import { noSuch, type RefRule, resolveRef, trackedCommits, WITHOUT_FILES } from './resolve-ref.ts';
import { inScratch } from './scratch.ts';

/** Refs of ours, so that what was fetched is not garbage to git. */
const OURS = 'refs/pm2-ssh-deploy';
const FETCH = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules'];

/** Makes an empty repository at git's directory that knows where it came from. */
export async function createRepository(git: Git, url: string, format: ObjectFormat): Promise<void> {
  await initRepository(git, format);
  const remote = await git.attempt(['remote', 'add', 'origin', '--', url]);
  if (remote.code !== 0) await git.text(['remote', 'set-url', 'origin', '--', url], 'Setting origin');
}

/** What is asked for, and which commits may be meant by it. */
export interface Wanted extends Pick<Plan, 'repository'> {
  ref: string;
  rule: RefRule;
}

/**
 * Brings exactly the commit that was asked for onto the host and resolves with its full id.
 * A commit that is there already is not fetched again.
 */
export async function fetchCommit(
  git: Git,
  gitIn: (directory: string) => Git,
  { ref, rule, repository }: Wanted,
  access: Access,
): Promise<string> {
  if (rule === 'any' && isFullId(ref) && (await isWhole(git, ref))) return ref;
  const remote = await openRemote(git, repository, access);
  const sha = await resolveRef({ remote, live: git, gitIn }, ref, rule);
  if (await isWhole(git, sha)) return sha;
  const direct = await remote.attempt(FETCH, [`+${sha}:${OURS}/${sha}`]);
  if (direct.code === 0) return sha;
  // Some servers hand out a commit only as part of a branch or tag.
  const all = [`+refs/heads/*:${OURS}/heads/*`, `+refs/tags/*:${OURS}/tags/*`];
  await remote.text([...FETCH, '--prune'], all, `Fetching ${ref} from the repository`);
  const found = await git.attempt(['rev-parse', '--verify', '--quiet', `${sha}^{commit}`]);
  if (found.code !== 0) throw noSuch(ref);
  return sha;
}

/**
 * Finds out which commit `fetchCommit` would bring, without writing into git's repository, and says what was found.
 * Throws the `DeployFailure` that the deploy would end with.
 */
export async function findCommit(
  git: Git,
  gitIn: (directory: string) => Git,
  { ref, rule, repository }: Wanted,
  access: Access,
): Promise<{ sha: string; text: string }> {
  const remote = await openRemote(git, repository, access);
  const source = { remote, live: git, gitIn };
  const sha = await resolveRef(source, ref, rule);
  if (sha !== ref) return { sha, text: `The repository answers: ${ref} is ${sha} there.` };
  const direct = await inScratch(git, gitIn, formatOf(sha), (scratch) =>
    remote.attempt([...FETCH, '--depth=1', WITHOUT_FILES], [sha], scratch),
  );
  if (direct.code !== 0 && !(await trackedCommits(source)).includes(sha)) throw noSuch(ref);
  return { sha, text: `The repository answers: it has the commit ${sha}.` };
}

/**
 * Whether the commit is here with all that belongs to it. A fetch that a full disk or a reboot cut short leaves the commit
 * without its files, and git checks such a one out as empty, with exit code 0.
 */
export async function isWhole(git: Git, sha: string): Promise<boolean> {
  const walk = await git.attempt(['rev-list', '--quiet', '--objects', `${sha}^{commit}`, '--not', '--all']);
  return walk.code === 0;
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
