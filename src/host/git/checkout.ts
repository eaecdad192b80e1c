import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  realpathSync,
  renameSync,
  rmSync,
  statSync,
} from 'node:fs';
import { join, resolve } from 'node:path';
import { type Check, fields, orNull, text } from '../system/checked.ts';
import { DeployFailure } from '../system/failure.ts';
import { exists } from '../system/paths.ts';
import { type Git, splitZ } from './git.ts';
import { isFullId } from './object-format.ts';

/** What HEAD of the live checkout names. */
export interface Head {
  /** The commit, or null if none was ever checked out. */
  sha: string | null;
  /** The branch that HEAD names (`refs/heads/main`), or null if HEAD is detached. */
  branch: string | null;
}

export const headCheck: Check<Head> = fields({ sha: orNull(text), branch: orNull(text) });

/**
 * What is at `path` before a deploy: nothing but what was `prepared` for the first one, or the top of a git checkout. Anything
 * else is refused.
 */
export async function inspectCheckout(
  live: string,
  git: Git,
  prepared: readonly string[] = [],
): Promise<'absent' | 'checkout'> {
  if (!exists(live) || readdirSync(live).every((name) => prepared.includes(name))) return 'absent';
  if (!isCheckout(live)) {
    throw new DeployFailure(`${live} has files in it but is not a git checkout.`, {
      remedy:
        'Set path to a directory that is empty or does not exist, or to the top of the checkout that the app runs from.',
    });
  }
  const top = (await git.text(['rev-parse', '--show-toplevel'], `Reading the checkout at ${live}`)).trim();
  if (realpathSync(top) !== realpathSync(live)) {
    throw new DeployFailure(`${live} lies inside the git checkout ${top}.`, {
      remedy: 'Set path to the top of the checkout, and working-directory to the rest.',
    });
  }
  return 'checkout';
}

/** Whether the directory is the top of a checkout, or of a worktree. */
export function isCheckout(directory: string): boolean {
  return exists(join(directory, '.git'));
}

/** Of the checkout that `git` works in; nothing if there is none yet. */
export async function readHead(git: Git): Promise<Head> {
  if (!isCheckout(git.directory)) return { sha: null, branch: null };
  const [commit, branch] = await Promise.all([
    git.attempt(['rev-parse', '--verify', '--quiet', 'HEAD^{commit}']),
    git.attempt(['symbolic-ref', '--quiet', 'HEAD']),
  ]);
  return {
    sha: commit.code === 0 ? commit.stdout.trim() : null,
    branch: branch.code === 0 ? branch.stdout.trim() : null,
  };
}

/** What a build did to tracked files: by path the sha256 of each file that it rewrote, and the files that it removed. */
export interface BuildTraces {
  rewritten: Readonly<Record<string, string>>;
  deleted: readonly string[];
}

/** Tracked files of `live` that differ from HEAD, except those that are as an earlier deploy's build left them. */
export async function localChanges(
  live: string,
  git: Git,
  { rewritten, deleted }: BuildTraces,
): Promise<string[]> {
  const args = [
    'status',
    '--porcelain=v1',
    '-z',
    '--no-renames',
    '--untracked-files=no',
    '--ignore-submodules=all',
  ];
  const listing = splitZ(await git.text(args, `Looking for local changes in ${live}`));
  return listing
    .filter((entry) => !(deleted.includes(entry.slice(3)) && isReplaced(live, entry)))
    .map((entry) => entry.slice(3))
    .filter((path) => rewritten[path] === undefined || rewritten[path] !== contentOf(join(live, path)));
}

/** Whether a tracked file is gone, or a link is in its place: it may lead to what all versions share. */
function isReplaced(live: string, entry: string): boolean {
  if (entry.startsWith(' D')) return true;
  const there = lstatSync(join(live, entry.slice(3)), { throwIfNoEntry: false });
  return /^ [TM]/.test(entry) && there?.isSymbolicLink() === true;
}

/** A lock of another git command, running or killed, would stop the bookkeeping after the swap. */
export async function refuseGitLocks(git: Git): Promise<void> {
  for (const file of await gitLocks(git)) {
    throw new DeployFailure(`${file} exists: another git command runs in the checkout, or one was killed.`, {
      remedy: `If no git runs on the server ('pgrep -a git'), remove the file: 'rm ${file}'.`,
    });
  }
}

/**
 * Removes the locks that git made in the checkout since `since` (milliseconds since 1970), and returns their paths. Call it
 * with the deploy's own lock held: a git of an earlier deploy that still ran would hold that lock.
 */
export async function removeGitLocks(git: Git, since: number): Promise<string[]> {
  const left = (await gitLocks(git)).filter((file) => statSync(file).mtimeMs >= since);
  for (const file of left) rmSync(file, { force: true });
  return left;
}

async function gitLocks(git: Git): Promise<string[]> {
  const files: string[] = [];
  for (const name of ['index.lock', 'HEAD.lock']) {
    files.push(await gitPath(git, name));
  }
  return files.filter((file) => existsSync(file));
}

export function refuseLocalChanges(live: string, changes: readonly string[]): void {
  if (changes.length === 0) return;
  const shown = changes.slice(0, 3).join(', ');
  const more = changes.length > 3 ? ` and ${changes.length - 3} more, listed above` : '';
  throw new DeployFailure(
    `Tracked files in ${live} have local changes: ${shown}${more}. Nothing was changed.`,
    {
      output: changes,
      remedy: `On the server, show the changes with 'git -C ${live} diff HEAD'. Commit and push them, or drop them with 'git checkout -- <file>'. Or set the input local-changes to 'save': the deploy then saves them as a patch on the server, and goes on. Do not track a file that the app itself changes.`,
    },
  );
}

/** sha256 of a file's content, or null if there is no readable file. */
function contentOf(file: string): string | null {
  try {
    return createHash('sha256').update(readFileSync(file)).digest('hex');
  } catch {
    return null;
  }
}

/** Every file of a commit, without those in submodules: its path to `<mode> <object>`. */
export async function trackedFiles(git: Git, sha: string): Promise<Map<string, string>> {
  const files = await listTree(git, sha);
  return new Map(
    files.filter(({ type }) => type === 'blob').map(({ path, mode, object }) => [path, `${mode} ${object}`]),
  );
}

/** Paths of a commit's submodules that are checked out in `git`'s directory, nested ones included. */
export async function submodulePaths(
  git: Git,
  gitIn: (directory: string) => Git,
  sha: string,
): Promise<string[]> {
  if (!existsSync(join(git.directory, '.gitmodules'))) return [];
  const found: string[] = [];
  for (const { path, type } of await listTree(git, sha)) {
    if (type !== 'commit' || !existsSync(join(git.directory, path, '.git'))) continue;
    const within = await submodulePaths(gitIn(join(git.directory, path)), gitIn, 'HEAD');
    found.push(path, ...within.map((inner) => `${path}/${inner}`));
  }
  return found;
}

interface TreeEntry {
  path: string;
  mode: string;
  type: string;
  object: string;
}

/** The files of a commit never change, and one deploy asks for those of two commits nine times. */
const trees = new WeakMap<Git, Map<string, readonly TreeEntry[]>>();

async function listTree(git: Git, sha: string): Promise<readonly TreeEntry[]> {
  const known = trees.get(git) ?? new Map<string, readonly TreeEntry[]>();
  trees.set(git, known);
  const tree = known.get(sha) ?? (await readTree(git, sha));
  // A name such as HEAD may mean another commit by the next time.
  if (isFullId(sha)) known.set(sha, tree);
  return tree;
}

async function readTree(git: Git, sha: string): Promise<TreeEntry[]> {
  const listing = splitZ(
    await git.text(['ls-tree', '-r', '-z', '--full-tree', sha], `Reading the files of ${sha}`),
  );
  return listing.map((entry) => {
    const tab = entry.indexOf('\t');
    const [mode = '', type = '', object = ''] = entry.slice(0, tab).split(' ');
    return { path: entry.slice(tab + 1), mode, type, object };
  });
}

/** Tracked paths that git was told to ignore (skip-worktree, assume-unchanged): `git status` does not show them. */
export async function flaggedFiles(git: Git): Promise<Set<string>> {
  const listing = splitZ(await git.text(['ls-files', '-v', '-z'], 'Reading the flags of tracked files'));
  return new Set(listing.filter((entry) => /^[a-zS]/.test(entry)).map((entry) => entry.slice(2)));
}

/** The given paths that the live checkout's ignore rules cover. */
export async function ignoredPaths(git: Git, paths: readonly string[]): Promise<Set<string>> {
  if (paths.length === 0) return new Set();
  const result = await git.attempt(['check-ignore', '-z', '--stdin', '--no-index'], {
    input: `${paths.join('\0')}\0`,
  });
  return new Set(splitZ(result.stdout));
}

/**
 * Makes HEAD and the index name `sha`. No file is touched: the swap has done that. The old index goes to `keptIndex`.
 * What it has staged beyond HEAD stops this, unless `dropStaged`. HEAD ends detached, so no branch of the user's is moved.
 */
export async function moveHead(
  git: Git,
  from: Head,
  sha: string,
  keptIndex: string,
  dropStaged = false,
): Promise<void> {
  const index = await gitPath(git, 'index');
  if (existsSync(index) && !existsSync(keptIndex)) copyWhole(index, keptIndex);
  const what = `Setting HEAD to ${sha}`;
  const merge = dropStaged ? ['--reset', sha] : ['-m', '-i', String(from.sha), sha];
  await git.text(['read-tree', ...(from.sha === null ? [sha] : merge)], what);
  await git.text(['update-ref', '--no-deref', '-m', 'pm2-ssh-deploy: deploy', 'HEAD', sha], what);
  await git.attempt(['update-index', '-q', '--refresh']);
}

/** Undoes `moveHead`, whether it ran, ran in part, or did not run. */
export async function restoreHead(git: Git, to: Head, keptIndex: string): Promise<void> {
  const index = await gitPath(git, 'index');
  if (existsSync(keptIndex)) {
    copyWhole(keptIndex, index);
  } else if (to.sha === null) {
    rmSync(index, { force: true });
  }
  const what = 'Restoring HEAD';
  const reason = ['-m', 'pm2-ssh-deploy: rollback'];
  if (to.branch !== null) await git.text(['symbolic-ref', ...reason, 'HEAD', to.branch], what);
  else if (to.sha !== null) await git.text(['update-ref', '--no-deref', ...reason, 'HEAD', to.sha], what);
  await git.attempt(['update-index', '-q', '--refresh']);
}

/** Never leaves half a copy: it would be taken for the whole later. */
function copyWhole(from: string, to: string): void {
  copyFileSync(from, `${to}.pm2-ssh-deploy`);
  renameSync(`${to}.pm2-ssh-deploy`, to);
}

/** Where git has its files never changes, and one deploy asks for it a dozen times. */
const gitPaths = new WeakMap<Git, Map<string, string>>();

async function gitPath(git: Git, name: string): Promise<string> {
  const known = gitPaths.get(git) ?? new Map<string, string>();
  gitPaths.set(git, known);
  const said =
    known.get(name) ?? (await git.text(['rev-parse', '--git-path', name], `Finding git's ${name}`));
  known.set(name, said);
  return resolve(git.directory, said.trim());
}
