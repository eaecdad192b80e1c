import { appendFileSync, copyFileSync, cpSync, existsSync, mkdirSync, writeFileSync } from 'node:fs';
import { join, resolve } from 'node:path';
import { submodulePaths } from '../git/checkout.ts';
import { refuseNamesThatAreNoText } from '../git/file-names.ts';
import type { Git } from '../git/git.ts';
import { fetchLargeFiles, named, type Origin, pointersLeft } from '../git/large-files.ts';
import { formatOf, initRepository } from '../git/object-format.ts';
import { fillSubmodules } from '../git/submodules.ts';
import { isWithin } from '../system/paths.ts';
import { allPids, directoryOf } from '../system/processes.ts';

/** Checks the commit out into `staging`, a private clone, with its large files and its submodules. */
export async function checkOut(
  live: Git,
  gitIn: (directory: string) => Git,
  staging: string,
  sha: string,
  origin: Origin,
): Promise<void> {
  await refuseNamesThatAreNoText(live, sha);
  const git = await makeClone(live, gitIn, staging, sha);
  const settings = await fetchLargeFiles(live, git, sha, origin);
  const checkout = await git.attempt(['checkout', '--quiet', '--detach', '--force', sha], { settings });
  if (checkout.code !== 0) throw git.failure(checkout, `Checking out ${sha} aside`);
  await fillSubmodules(git, gitIn, origin);
  for (const path of await submodulePaths(git, gitIn, sha)) {
    const submodule = gitIn(join(staging, path));
    await refuseNamesThatAreNoText(submodule, 'HEAD');
    const left = await pointersLeft(submodule);
    if (left.length > 0) origin.say(aboutPointers(path, left));
  }
}

function aboutPointers(submodule: string, files: readonly string[]): string {
  return `The submodule ${submodule} keeps ${named(files)} in Git LFS. The app gets small text files (pointers) in their place, because git-lfs is not set up on this host. Run 'git lfs install' on the server, or 'git config --global lfs.fetchexclude "*"' if the app does not need these files.`;
}

/**
 * Makes `staging` a private clone that borrows the live repository's objects, with nothing checked out. It has a
 * configuration of its own, so that what a build sets (husky's hooks path, for one) never reaches the live `.git`,
 * and it has the tags, so that `git describe` answers as it would in live.
 */
async function makeClone(
  live: Git,
  gitIn: (directory: string) => Git,
  staging: string,
  sha: string,
): Promise<Git> {
  // Relative to the directory that git ran in; git before 2.31 cannot be asked for an absolute one.
  const common = (await live.text(['rev-parse', '--git-common-dir'], 'Reading the repository')).trim();
  const source = resolve(live.directory, common);
  mkdirSync(staging, { recursive: true, mode: 0o755 });
  const git = gitIn(staging);
  await initRepository(git, formatOf(sha), { what: 'Making the staging clone' });
  const own = join(staging, '.git');

  for (const name of ['config', 'config.worktree', 'shallow']) {
    if (existsSync(join(source, name))) copyFileSync(join(source, name), join(own, name));
  }
  if (existsSync(join(source, 'info'))) cpSync(join(source, 'info'), join(own, 'info'), { recursive: true });
  for (const key of ['core.hooksPath', 'core.worktree', 'core.bare']) {
    await git.attempt(['config', '--local', '--unset-all', key]);
  }
  mkdirSync(join(own, 'objects', 'info'), { recursive: true });
  appendFileSync(join(own, 'objects', 'info', 'alternates'), `${join(source, 'objects')}\n`);
  const tags = await live.text(
    ['for-each-ref', '--format=%(objectname) %(refname)', 'refs/tags'],
    'Reading the tags',
  );
  writeFileSync(join(own, 'packed-refs'), tags);
  return git;
}

/** Makes files that lie in `staging` already a checkout of the commit that they are of. Asks no remote. */
export async function makeCheckout(
  live: Git,
  gitIn: (directory: string) => Git,
  staging: string,
  sha: string,
): Promise<void> {
  const git = await makeClone(live, gitIn, staging, sha);
  await git.text(['update-ref', '--no-deref', 'HEAD', sha], 'Setting HEAD of the staging clone');
  await git.text(['read-tree', sha], 'Reading the files of the staging clone');
}

/** Kills what still works in a left staging: the program that started it was killed, and nobody waits for it. */
export function endLeftBuild(beside: string): void {
  const workshop = join(beside, 'staging');
  const pids = allPids().filter((pid) => isWithin(workshop, directoryOf(pid)));
  for (const pid of pids) {
    try {
      process.kill(pid, 'SIGKILL');
    } catch {
      // It has just ended.
    }
  }
}
