import { rmSync, writeFileSync } from 'node:fs';
import { basename, join, resolve } from 'node:path';
import type { Plan } from '../../protocol.ts';
import { DeployFailure } from '../system/failure.ts';
import { trackedFiles } from './checkout.ts';
import { addressOnServer } from './credentials.ts';
import type { Git, Settings } from './git.ts';
import { type Access, openRemote } from './remote.ts';

/** Where a commit came from, and what more of it comes from. */
export type Origin = Access & Pick<Plan, 'repository'>;

const CONFIG = '.lfsconfig';
const WHAT = 'Fetching the large files (Git LFS)';

/** Git-lfs takes the files from its store. It needs no `git lfs install` on the host. */
const FILLED: Settings = [
  ['filter.lfs.process', 'git-lfs filter-process'],
  ['filter.lfs.smudge', 'git-lfs smudge -- %f'],
  ['filter.lfs.clean', 'git-lfs clean -- %f'],
  ['filter.lfs.required', 'true'],
];
/** The pointers stay, which are what git itself keeps of large files. */
const POINTERS: Settings = [
  ['filter.lfs.process', ''],
  ['filter.lfs.smudge', ''],
  ['filter.lfs.clean', ''],
  ['filter.lfs.required', 'false'],
];

/**
 * Brings the files that the commit keeps in Git LFS into the store of `live`, so that a later version finds them there. It
 * uses the host's own credentials, or the token. `clone` has nothing checked out. Gives the settings for that.
 */
export async function fetchLargeFiles(live: Git, clone: Git, sha: string, origin: Origin): Promise<Settings> {
  const files = await largeFiles(clone, sha);
  if (files.length === 0) return [];
  // Git-lfs reads it where it would be checked out to.
  const config = join(clone.directory, CONFIG);
  const own = await clone.attempt(['show', `${sha}:${CONFIG}`]);
  if (own.code === 0) writeFileSync(config, own.stdout);
  try {
    if (await isLeftOut(clone)) return POINTERS;
    await requireGitLfs(clone, files);
    const shared = await live.text(['rev-parse', '--git-common-dir'], WHAT);
    const store = resolve(live.directory, shared.trim(), 'lfs');
    await clone.text(['config', '--local', 'lfs.storage', store], WHAT);
    await download(clone, sha, origin);
    return FILLED;
  } finally {
    rmSync(config, { force: true });
  }
}

async function download(clone: Git, sha: string, { repository, ...access }: Origin): Promise<void> {
  const url = await settingOf(clone, 'lfs.url');
  const { gitToken } = access;
  const isElsewhere = url !== null && (gitToken === null || addressOnServer(url, gitToken) === null);
  const remote = await openRemote(clone, repository, {
    ...access,
    ...(isElsewhere && { gitToken: null }),
    refused: join(clone.directory, '.git', 'pm2-ssh-deploy-refused'),
  });
  // Git ends if a token is refused. Git-lfs would try it again and again.
  if (!isElsewhere) await remote.text(['ls-remote', '--quiet'], ['HEAD'], WHAT);
  await remote.text(['lfs', 'fetch'], [sha], WHAT);
}

/** What the host's settings say, or else the commit's. */
async function settingOf(clone: Git, name: string): Promise<string | null> {
  for (const file of [[], ['--file', CONFIG]]) {
    const { code, stdout } = await clone.attempt(['config', ...file, '--get', name]);
    if (code === 0) return stdout.trim();
  }
  return null;
}

/** The files of a commit that its .gitattributes give to Git LFS. Uses the index, and leaves none. */
async function largeFiles(git: Git, sha: string): Promise<string[]> {
  const paths = [...(await trackedFiles(git, sha)).keys()];
  if (!paths.some((path) => basename(path) === '.gitattributes')) return [];
  const named = ['grep', '--quiet', '-e', '^[^#].*filter=lfs', sha, '--', ':(glob)**/.gitattributes'];
  if ((await git.attempt(named)).code !== 0) return [];
  await git.text(['read-tree', sha], WHAT);
  const asked = ['check-attr', '--cached', '--stdin', '-z', 'filter'];
  const answer = await git.attempt(asked, { input: paths.map((path) => `${path}\0`).join('') });
  if (answer.code !== 0) throw git.failure(answer, WHAT);
  const index = await git.text(['rev-parse', '--git-path', 'index'], WHAT);
  rmSync(resolve(git.directory, index.trim()), { force: true });
  // Three parts for each file: its path, the attribute's name, its value.
  const parts = answer.stdout.split('\0');
  return parts.filter((_, at) => at % 3 === 0 && parts[at + 2] === 'lfs');
}

/** Whether the settings say that this host does without large files. */
async function isLeftOut(clone: Git): Promise<boolean> {
  if ((await settingOf(clone, 'lfs.fetchexclude')) === '*') return true;
  const filter = await clone.attempt(['config', '--get-regexp', '^filter\\.lfs\\.(process|smudge)$']);
  return / --skip\b/.test(filter.stdout);
}

async function requireGitLfs(git: Git, files: readonly string[]): Promise<void> {
  if ((await git.attempt(['lfs', 'version'])).code === 0) return;
  const [first] = files;
  const more = files.length === 1 ? '' : ` and ${files.length - 1} more`;
  throw new DeployFailure(
    `The repository keeps ${first}${more} in Git LFS, and the command 'git-lfs' is not on this host. The app would get small text files (pointers) in their place.`,
    {
      remedy:
        "Install it, for example with 'apt-get install git-lfs'. If the app does not need these files, run this on the server: git config --global lfs.fetchexclude '*'. The deploy then leaves the pointers in their place.",
    },
  );
}
