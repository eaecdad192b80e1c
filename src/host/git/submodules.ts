import { existsSync, mkdirSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { DeployFailure } from '../system/failure.ts';
import { addressOnServer, lacksCredentials } from './credentials.ts';
import { fetchCommit } from './fetch.ts';
import { type Git, splitZ } from './git.ts';
import { formatOf, initRepository } from './object-format.ts';
import type { Access } from './remote.ts';

const UPDATE = ['submodule', '--quiet', 'update', '--init'];
const WHAT = 'Checking out the submodules';

/**
 * Fills the submodules of the commit that is checked out in git's directory, those within others too: as git does by
 * itself, and where the host's own credentials do not do, with the token for those that lie on its server.
 */
export async function fillSubmodules(
  git: Git,
  gitIn: (directory: string) => Git,
  access: Access,
): Promise<void> {
  if (!existsSync(join(git.directory, '.gitmodules'))) return;
  const result = await git.attempt([...UPDATE, '--recursive']);
  if (result.code === 0) return;
  if (access.gitToken === null || !lacksCredentials(result)) throw git.failure(result, WHAT);
  await fillOneByOne(git, gitIn, access);
}

/**
 * Git's own command would check files out, and run what the host's settings name for that, with the token at hand. So
 * the commits are fetched first, each as the app's own is; what is left for git's command needs no network.
 */
async function fillOneByOne(git: Git, gitIn: (directory: string) => Git, access: Access): Promise<void> {
  await git.text(['submodule', '--quiet', 'init'], WHAT);
  for (const { name, path, sha } of await submodulesOf(git)) {
    const url = (await git.attempt(['config', '--get', `submodule.${name}.url`])).stdout.trim();
    // Where there is none, git does not want it filled.
    if (url === '') continue;
    if (access.gitToken !== null && addressOnServer(url, access.gitToken) !== null) {
      await fetchSubmodule(git, gitIn, { name, path, sha, url }, access);
    }
    await git.text([...UPDATE, '--', path], `Checking out the submodule ${path}`);
    const within = gitIn(join(git.directory, path));
    if (existsSync(join(within.directory, '.gitmodules'))) await fillOneByOne(within, gitIn, access);
  }
}

/** Puts the commit where git keeps the repositories of submodules, so that git finds it there. */
async function fetchSubmodule(
  git: Git,
  gitIn: (directory: string) => Git,
  { name, path, sha, url }: { name: string; path: string; sha: string; url: string },
  access: Access,
): Promise<void> {
  const place = await git.text(['rev-parse', '--git-path', `modules/${name}`], WHAT);
  const directory = resolve(git.directory, place.trim());
  const repository = gitIn(directory);
  if (!existsSync(directory)) {
    mkdirSync(directory, { recursive: true });
    await initRepository(repository, formatOf(sha), { bare: true, what: WHAT });
    await repository.text(['config', 'core.bare', 'false'], WHAT);
    await repository.text(['config', 'remote.origin.url', url], WHAT);
  }
  try {
    await fetchCommit(repository, gitIn, { ref: sha, rule: 'any', repository: { url, given: true } }, access);
  } catch (error) {
    if (!(error instanceof DeployFailure)) throw error;
    const { remedy, output } = error;
    throw new DeployFailure(`The submodule ${path} was not fetched. ${error.message}`, {
      output,
      ...(remedy !== null && { remedy }),
    });
  }
}

/** The submodules of the commit that is checked out, by .gitmodules; with the commit that each is to be at. */
async function submodulesOf(git: Git): Promise<{ name: string; path: string; sha: string }[]> {
  const listing = await git.attempt([
    'config',
    '-z',
    '--file',
    '.gitmodules',
    '--get-regexp',
    '^submodule\\..*\\.path$',
  ]);
  const found: { name: string; path: string; sha: string }[] = [];
  for (const entry of splitZ(listing.stdout)) {
    const end = entry.indexOf('\n');
    const name = entry.slice('submodule.'.length, end - '.path'.length);
    const path = entry.slice(end + 1);
    // Git passes over such a name itself, since it becomes a directory's.
    if (name.split(/[/\\]/).includes('..')) continue;
    const [mode, , rest] = (await git.attempt(['ls-tree', 'HEAD', '--', path])).stdout.split(' ');
    if (mode === '160000' && rest !== undefined) found.push({ name, path, sha: rest.split('\t')[0] ?? '' });
  }
  return found;
}
