import { lstatSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
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
const POINTER = 'version https://git-lfs.github.com/spec/';
/** Bytes; the specification of Git LFS has it. */
const LONGEST_POINTER = 1024;
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
  try {
    const { files, isLeftOut } = await lookForLargeFiles(clone, sha);
    if (files.length === 0) return [];
    if (isLeftOut) return POINTERS;
    const shared = await live.text(['rev-parse', '--git-common-dir'], WHAT);
    const store = resolve(live.directory, shared.trim(), 'lfs');
    await clone.text(['config', '--local', 'lfs.storage', store], WHAT);
    await download(clone, sha, origin);
    return FILLED;
  } finally {
    rmSync(join(clone.directory, CONFIG), { force: true });
  }
}

/**
 * Which files the commit keeps in Git LFS, and whether the settings say that this host does without them. Throws a `DeployFailure` if
 * git-lfs is needed and missing. Lays the commit's own settings into git's directory, where git-lfs reads them.
 */
export async function lookForLargeFiles(
  git: Git,
  sha: string,
): Promise<{ files: string[]; isLeftOut: boolean }> {
  const files = await largeFiles(git, sha);
  if (files.length === 0) return { files, isLeftOut: false };
  const own = await git.attempt(['show', `${sha}:${CONFIG}`]);
  if (own.code === 0) writeFileSync(join(git.directory, CONFIG), own.stdout);
  const isLeftOut = await leavesPointers(git);
  if (!isLeftOut) await requireGitLfs(git, files);
  return { files, isLeftOut };
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
  if (!(await speaksOfLargeFiles(git, sha, paths))) return [];
  await git.text(['read-tree', sha], WHAT);
  const files = await givenToLargeFiles(git, paths);
  const index = await git.text(['rev-parse', '--git-path', 'index'], WHAT);
  rmSync(resolve(git.directory, index.trim()), { force: true });
  return files;
}

/** The files of the commit that is checked out which are pointers as yet, unless the settings want them so. */
export async function pointersLeft(git: Git): Promise<string[]> {
  const paths = [...(await trackedFiles(git, 'HEAD')).keys()];
  if (!(await speaksOfLargeFiles(git, 'HEAD', paths)) || (await leavesPointers(git))) return [];
  const files = await givenToLargeFiles(git, paths);
  return files.filter((path) => isPointer(join(git.directory, path)));
}

function isPointer(file: string): boolean {
  const { size } = lstatSync(file, { throwIfNoEntry: false }) ?? { size: 0 };
  return size < LONGEST_POINTER && readFileSync(file, 'latin1').startsWith(POINTER);
}

async function speaksOfLargeFiles(git: Git, sha: string, paths: readonly string[]): Promise<boolean> {
  if (!paths.some((path) => basename(path) === '.gitattributes')) return false;
  const asked = ['grep', '--quiet', '-e', '^[^#].*filter=lfs', sha, '--', ':(glob)**/.gitattributes'];
  return (await git.attempt(asked)).code === 0;
}

/** By the .gitattributes of the index. */
async function givenToLargeFiles(git: Git, paths: readonly string[]): Promise<string[]> {
  const asked = ['check-attr', '--cached', '--stdin', '-z', 'filter'];
  const answer = await git.attempt(asked, { input: paths.map((path) => `${path}\0`).join('') });
  if (answer.code !== 0) throw git.failure(answer, WHAT);
  // Three parts for each file: its path, the attribute's name, its value.
  const parts = answer.stdout.split('\0');
  return parts.filter((_, at) => at % 3 === 0 && parts[at + 2] === 'lfs');
}

/** Whether the settings say that this host does without large files. */
async function leavesPointers(clone: Git): Promise<boolean> {
  if ((await settingOf(clone, 'lfs.fetchexclude')) === '*') return true;
  const filter = await clone.attempt(['config', '--get-regexp', '^filter\\.lfs\\.(process|smudge)$']);
  return / --skip\b/.test(filter.stdout);
}

async function requireGitLfs(git: Git, files: readonly string[]): Promise<void> {
  if ((await git.attempt(['lfs', 'version'])).code === 0) return;
  throw new DeployFailure(
    `The repository keeps ${named(files)} in Git LFS, and the command 'git-lfs' is not on this host. The app would get small text files (pointers) in their place.`,
    {
      remedy:
        "Install it, for example with 'apt-get install git-lfs'. If the app does not need these files, run this on the server: git config --global lfs.fetchexclude '*'. The deploy then leaves the pointers in their place.",
    },
  );
}

/** The first one, and how many there are. */
export function named([first = '', ...others]: readonly string[]): string {
  return others.length === 0 ? first : `${first} and ${others.length} more`;
}
