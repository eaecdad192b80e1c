import { lstatSync, mkdirSync, readdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import type { Context } from '../context.ts';
import { type Git, splitZ } from '../git/git.ts';
import { type Check, fields, listOf, number, text } from '../system/checked.ts';
import { run } from '../system/command.ts';
import { isShortOfSpace } from '../system/disk-space.ts';
import { exists } from '../system/paths.ts';
import { makePrivate, requirePrivate } from '../system/private-directory.ts';
import { type Format, readIfUsable, writeVersioned } from '../system/versioned.ts';

/** What an install made, as it was before a build could write into it. */
interface KeptInstall {
  key: string;
  /** Paths in the checkout, each a directory or file that was not there before. */
  roots: string[];
  /** Everything in these, and the bytes of files and links. */
  entries: number;
  bytes: number;
}

const check: Check<KeptInstall> = fields<KeptInstall>({
  key: text,
  roots: listOf(text),
  entries: number,
  bytes: number,
});
const FORMAT: Format<KeptInstall> = { what: 'The record of a kept install', readers: [check] };

/** Its name beside the app. */
export const INSTALL = 'install';

const placeOf = ({ places }: Pick<Context, 'places'>): string => join(places.beside, INSTALL);

/**
 * Puts the kept install with this key into the checkout at `top`. False if there is none, or something is in its place. If it
 * cannot be put there whole, nothing of it is left, here and where it was kept, and the reason is thrown.
 */
export async function takeInstall(context: Context, key: string, top: string): Promise<boolean> {
  const place = placeOf(context);
  requirePrivate(context.places.beside, place);
  // One that cannot be read costs time only.
  const kept = readIfUsable(join(place, 'install.json'), FORMAT);
  if (kept === null || kept.key !== key) return false;
  const { roots, entries, bytes } = kept;
  // The commit has files now where the install made some.
  if (roots.some((root) => exists(join(top, root)))) return false;
  try {
    await copyAll(context, roots, join(place, 'tree'), top);
    const found = measure(top, roots);
    if (found.entries !== entries || found.bytes !== bytes) throw new Error('it is not whole any more');
  } catch (error) {
    for (const root of roots) rmSync(join(top, root), { recursive: true, force: true });
    if (context.runner.cancelled.aborted) throw context.runner.cancelled.reason;
    rmSync(place, { recursive: true, force: true });
    throw error;
  }
  return true;
}

/**
 * Keeps what an install has just made at `top`, in the place of an earlier one. `lent` are untracked paths that it did not
 * make. Gives why it is not kept, as a sentence's end; null if it is. Never fails but by a cancel.
 */
export async function keepInstall(
  context: Context,
  key: string,
  top: string,
  lent: readonly string[],
): Promise<string | null> {
  const { places, env, runner } = context;
  const place = placeOf(context);
  const next = `${place}.new`;
  try {
    const made = await untrackedIn(context.gitIn(top));
    if ('changed' in made) return `the install changed ${made.changed}, which is a file of the commit`;
    const roots = made.paths.filter((path) => !lent.includes(path));
    if (await isShortOfSpace(places.beside, env)) return 'less than 2 GiB of the disk is free';
    rmSync(next, { recursive: true, force: true });
    makePrivate(next);
    await copyAll(context, roots, top, join(next, 'tree'));
    writeVersioned(join(next, 'install.json'), FORMAT, { key, roots, ...measure(join(next, 'tree'), roots) });
    if (exists(place)) renameSync(place, join(places.beside, `discarded-install-${Date.now()}`));
    renameSync(next, place);
    return null;
  } catch (error) {
    rmSync(next, { recursive: true, force: true });
    if (runner.cancelled.aborted) throw runner.cancelled.reason;
    return `it could not be copied: ${(error as Error).message}`;
  }
}

/** What git does not know, each directory as a whole; or the first tracked file that is not as in the commit. */
async function untrackedIn(git: Git): Promise<{ paths: string[] } | { changed: string }> {
  const args = ['status', '--porcelain=v1', '-z', '--no-renames', '--untracked-files=normal', '--ignored'];
  const paths: string[] = [];
  for (const entry of splitZ(await git.text(args, 'Looking for what the install made'))) {
    const path = entry.slice(3);
    if (!/^(\?\?|!!) /.test(entry)) return { changed: path };
    paths.push(path.replace(/\/$/, ''));
  }
  return { paths };
}

/** Modes, times and links stay as they are. Data is shared where the filesystem can, and no file is ever shared. */
async function copyAll(context: Context, roots: readonly string[], from: string, to: string): Promise<void> {
  for (const root of roots) mkdirSync(dirname(join(to, root)), { recursive: true });
  await Promise.all(roots.map((root) => copy(context, join(from, root), join(to, root))));
}

async function copy({ plan, env, runner }: Context, from: string, to: string): Promise<void> {
  const options = { cwd: '/', env, timeLimit: plan.commandTimeout, cancel: runner.cancelled };
  const result = await run('cp', ['-a', '--reflink=auto', '--', from, to], options);
  if (result.code === 0) return;
  if (runner.cancelled.aborted) throw runner.cancelled.reason;
  rmSync(to, { recursive: true, force: true });
  // Not every cp knows the option.
  const plain = await run('cp', ['-a', '--', from, to], options);
  if (plain.code === 0) return;
  throw new Error(plain.tail[0] ?? `cp ended with ${plain.code}`);
}

function measure(top: string, roots: readonly string[]): Pick<KeptInstall, 'entries' | 'bytes'> {
  const found = { entries: 0, bytes: 0 };
  const visit = (path: string): void => {
    const stat = lstatSync(path);
    found.entries++;
    if (stat.isDirectory()) for (const name of readdirSync(path)) visit(join(path, name));
    else found.bytes += stat.size;
  };
  for (const root of roots) visit(join(top, root));
  return found;
}
