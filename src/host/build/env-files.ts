import {
  constants,
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  rmSync,
  statSync,
} from 'node:fs';
import { basename, dirname, join } from 'node:path';
import { type Git, splitZ } from '../git/git.ts';
import { DeployFailure } from '../system/failure.ts';
import { exists, isWithin, realOrSame } from '../system/paths.ts';

/**
 * Directories, relative, in which builds look for `.env*` files: the top, the working directory, and wherever the commit
 * has a package.json. `tracked` are the commit's files.
 */
export function envDirectories(tracked: Iterable<string>, workingDirectory: string): string[] {
  const packages = [...tracked].filter((path) => basename(path) === 'package.json').map(dirname);
  return [...new Set(['', workingDirectory, ...packages.map((path) => (path === '.' ? '' : path))])];
}

/** `.env*` files that git does not know are shown to the build as copies: a build that writes to one changes no live file. */
export async function showEnvFiles(
  live: string,
  staging: string,
  liveGit: Git,
  directories: readonly string[],
): Promise<string[]> {
  const tracked = new Set(splitZ((await liveGit.attempt(['ls-files', '-z'])).stdout));
  const shown: string[] = [];
  for (const path of envFiles(live, directories)) {
    // A link that leads nowhere is something too: nothing is ever written through it.
    if (tracked.has(path) || exists(join(staging, path))) continue;
    mkdirSync(dirname(join(staging, path)), { recursive: true });
    copy(join(live, path), join(staging, path));
    shown.push(path);
  }
  return shown;
}

function copy(from: string, to: string): void {
  try {
    copyFileSync(from, to, constants.COPYFILE_EXCL);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EACCES') throw error;
    throw new DeployFailure(`${from} cannot be read by this user, so the build would miss its variables.`, {
      remedy: `Let this user read it: 'sudo chown <user> ${from}' on the server.`,
      cause: error,
    });
  }
}

/** Paths of the files in these directories of `top` that begin with `.env`. A directory outside of `top`, by a link, has none. */
export function envFiles(top: string, directories: readonly string[]): string[] {
  return [...new Set(directories)]
    .filter((directory) => isWithin(realOrSame(top), realOrSame(join(top, directory))))
    .flatMap((directory) => envFilesIn(join(top, directory)).map((name) => join(directory, name)));
}

/** Names of the files in a directory that begin with `.env`; sorted. A directory of that name, or a link that leads to nothing, is none. */
export function envFilesIn(directory: string): string[] {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  const isFile = (name: string): boolean =>
    existsSync(join(directory, name)) &&
    (statSync(join(directory, name), { throwIfNoEntry: false })?.isFile() ?? false);
  return names.filter((name) => name.startsWith('.env') && isFile(name)).sort();
}

/** Takes the copies away again, so that they are no part of what the build made. A directory in their place is. */
export function hideEnvFiles(staging: string, shown: readonly string[]): void {
  for (const path of shown) {
    const isDirectory = lstatSync(join(staging, path), { throwIfNoEntry: false })?.isDirectory() ?? false;
    if (!isDirectory) rmSync(join(staging, path), { force: true });
  }
}
