import { appendFileSync, closeSync, fsyncSync, openSync, readFileSync, rmSync } from 'node:fs';
import { dirname } from 'node:path';
import { sync } from '../system/durable.ts';
import { DeployFailure } from '../system/failure.ts';
import type { Git } from './git.ts';

/** Local changes in one checkout: that of the app itself, or a submodule's. */
export interface Changed {
  git: Git;
  /** Where it lies in the app's checkout, with a `/` at the end; empty for that itself. */
  prefix: string;
  /** Paths in it. */
  paths: readonly string[];
}

/** More paths than these could be too many for one command line: then the patch has every change. */
const MOST_PATHS = 1_000;

/** A form of patch that no setting of the user's changes, and that has all: binary files, modes, deletions. */
const WHOLE = [
  ...['--binary', '--full-index', '--no-renames', '--unified=3', '--inter-hunk-context=0'],
  ...['--no-ext-diff', '--no-textconv', '--no-color', '--ignore-submodules=all'],
];

/**
 * Saves local changes of tracked files, staged or not, as one patch against the commits that are checked out. Returns the
 * files that it made, all 0600 and on disk: the patch, and a second one if what is staged is not what the files hold.
 * Throws a `DeployFailure` if the patch does not have it all.
 */
export async function saveLocalPatch(
  live: Git,
  changed: readonly Changed[],
  file: string,
): Promise<string[]> {
  await writePatch(file, changed, []);
  const check = ['-c', 'apply.whitespace=nowarn', 'apply', '--check', '--reverse', file];
  const result = await live.attempt(check);
  if (result.code !== 0) {
    rmSync(file, { force: true });
    throw new DeployFailure(
      `The local changes in ${live.directory} cannot be saved as a patch, so they were left as they are.`,
      {
        output: result.tail,
        remedy: `Look at them on the server with 'git -C ${live.directory} status', and commit and push them, or drop them.`,
      },
    );
  }
  if (!(await hasTwoStates(changed))) return [file];
  const staged = file.replace(/\.patch$/, '.staged.patch');
  await writePatch(staged, changed, ['--cached']);
  return [file, staged];
}

async function writePatch(file: string, changed: readonly Changed[], options: string[]): Promise<void> {
  const part = `${file}.part`;
  const descriptor = openSync(file, 'wx', 0o600);
  try {
    for (const { git, prefix, paths } of changed) {
      // Git writes it itself: not every text file is UTF-8.
      closeSync(openSync(part, 'w', 0o600));
      const names = [`--src-prefix=a/${prefix}`, `--dst-prefix=b/${prefix}`, `--output=${part}`];
      const chosen = paths.length > MOST_PATHS ? [] : paths;
      await git.text(
        ['--literal-pathspecs', 'diff', ...options, ...WHOLE, ...names, 'HEAD', '--', ...chosen],
        'Saving local changes',
      );
      appendFileSync(descriptor, readFileSync(part));
    }
    fsyncSync(descriptor);
  } catch (error) {
    rmSync(file, { force: true });
    throw error;
  } finally {
    closeSync(descriptor);
    rmSync(part, { force: true });
  }
  sync(dirname(file));
}

async function hasTwoStates(changed: readonly Changed[]): Promise<boolean> {
  for (const { git } of changed) {
    const staged = await git.attempt(['diff', '--cached', '--quiet', '--ignore-submodules=all', 'HEAD']);
    const since = await git.attempt(['diff', '--quiet', '--ignore-submodules=all']);
    if (staged.code === 1 && since.code === 1) return true;
  }
  return false;
}
