import { type BigIntStats, type Dirent, lstatSync, realpathSync, statSync } from 'node:fs';
import { open, readdir, readlink } from 'node:fs/promises';
import path from 'node:path';
import type { Exclude } from './exclude.ts';
import { UploadError } from './upload-error.ts';

/** A file or link that is sent. `path` is relative to the top, with `/` between its names. */
export type TreeEntry =
  | { kind: 'file'; path: string; file: string; executable: boolean; size: number; changed: bigint }
  | { kind: 'link'; path: string; target: string };

export interface Tree {
  entries: TreeEntry[];
  /** Directories with nothing in them: git has none, so they are not sent. */
  empty: string[];
  /** Directories that were left out because the server installs. */
  modules: string[];
}

export interface ReadOptions {
  exclude: Exclude;
  /** Whether `node_modules` is sent too. */
  sendsModules: boolean;
}

/**
 * Git's own files: on the server they would change what git makes of the others. A directory `.git` holds the workflow's token.
 */
const NOT_SENT = new Set(['.git', '.gitattributes', '.gitmodules']);

/** Finds all that is to be sent of the directory `top`. Throws an `UploadError`. */
export async function readTree(top: string, options: ReadOptions): Promise<Tree> {
  const tree: Tree = { entries: [], empty: [], modules: [] };
  await visit({ top, realTop: realpathSync(top), options, tree }, '');
  if (tree.entries.length > 0) return tree;
  throw new UploadError(
    `There is no file to send in ${top} (upload-path).`,
    'Check that the build has run before this step, that upload-path is the directory it writes to, and that upload-exclude does not leave out everything.',
  );
}

interface Walk {
  top: string;
  realTop: string;
  options: ReadOptions;
  tree: Tree;
}

async function visit(walk: Walk, directory: string): Promise<void> {
  const { top, options, tree } = walk;
  const names = await namesIn(path.join(top, directory));
  if (names.length === 0 && directory !== '') tree.empty.push(directory);
  for (const entry of names) {
    const name = textOf(entry.name, directory);
    const below = directory === '' ? name : `${directory}/${name}`;
    if (NOT_SENT.has(name.toLowerCase()) || options.exclude.matches(below)) continue;
    if (!options.sendsModules && isInstalled(below)) {
      tree.modules.push(below);
      continue;
    }
    const file = path.join(top, below);
    if (entry.isDirectory()) await visit(walk, below);
    else if (entry.isSymbolicLink()) tree.entries.push(await readLink(walk, below));
    else if (entry.isFile()) tree.entries.push(await readFileEntry(file, below));
    else
      throw new UploadError(
        `${below} is ${kindOf(entry)}, which cannot be sent.`,
        'Remove it before this step, or leave it out with upload-exclude.',
      );
  }
}

/**
 * What the install on the server makes. Next.js, Nuxt and others put the few packages that a build needs below a directory whose
 * name begins with a dot: those are part of the build.
 */
function isInstalled(below: string): boolean {
  const names = below.split('/');
  return names.at(-1) === 'node_modules' && !names.some((name) => name.startsWith('.'));
}

async function namesIn(directory: string): Promise<Dirent<Buffer>[]> {
  try {
    return await readdir(directory, { withFileTypes: true, encoding: 'buffer' });
  } catch (error) {
    throw unreadable(directory, error);
  }
}

function textOf(bytes: Buffer, directory: string): string {
  const name = bytes.toString('utf8');
  if (Buffer.from(name).equals(bytes)) return name;
  throw new UploadError(
    `The file name ${JSON.stringify(bytes.toString('latin1'))} in ${directory === '' ? 'upload-path' : directory} is not valid UTF-8.`,
    'Rename the file, or leave its directory out with upload-exclude.',
  );
}

async function readFileEntry(file: string, below: string): Promise<TreeEntry> {
  try {
    const stat = lstatSync(file, { bigint: true });
    return {
      kind: 'file',
      path: below,
      file,
      executable: await isExecutable(file, stat),
      size: Number(stat.size),
      changed: stat.mtimeNs,
    };
  } catch (error) {
    throw unreadable(file, error);
  }
}

/** Windows has no such mode: a script says by its first line that it is one. */
async function isExecutable(file: string, { mode }: BigIntStats): Promise<boolean> {
  if (process.platform !== 'win32') return (mode & 0o100n) !== 0n;
  const handle = await open(file);
  try {
    const { buffer } = await handle.read(Buffer.alloc(2), 0, 2, 0);
    return buffer.toString('latin1') === '#!';
  } finally {
    await handle.close();
  }
}

/** A link has to lead to the same place on the server: an absolute one within the tree becomes a relative one. */
async function readLink({ top, realTop }: Walk, below: string): Promise<TreeEntry> {
  const file = path.join(top, below);
  const given = await readlink(file);
  const named = path.resolve(path.dirname(file), given);
  const within = [top, realTop].find((each) => isWithin(each, named));
  if (isCircle(file)) {
    throw new UploadError(
      `The link ${below} leads to itself, by way of ${given}.`,
      'Remove it, or leave it out with upload-exclude.',
    );
  }
  if (within === undefined || !staysInside(file, realTop)) {
    throw new UploadError(
      `The link ${below} leads out of upload-path, to ${given}. It would lead to nothing on the server.`,
      'Replace it by what it leads to, set upload-path to a directory that holds both, or leave it out with upload-exclude.',
    );
  }
  const target = path.isAbsolute(given)
    ? path.relative(path.dirname(path.join(within, below)), named) || '.'
    : given;
  return { kind: 'link', path: below, target: target.split(path.sep).join('/') };
}

function isCircle(file: string): boolean {
  try {
    statSync(file);
    return false;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ELOOP';
  }
}

/** By way of other links too. A link to what is not there leads nowhere else either. */
function staysInside(file: string, realTop: string): boolean {
  if (statSync(file, { throwIfNoEntry: false }) === undefined) return true;
  // Node's own realpath takes `link/..` for the directory of the link.
  return isWithin(realTop, realpathSync.native(file));
}

/** Whether `file` is `directory` or lies in it. Both are absolute. */
export function isWithin(directory: string, file: string): boolean {
  const way = path.relative(directory, file);
  return way !== '..' && !way.startsWith(`..${path.sep}`) && !path.isAbsolute(way);
}

function kindOf(entry: Dirent<Buffer>): string {
  if (entry.isSocket()) return 'a socket';
  if (entry.isFIFO()) return 'a named pipe';
  return 'a device';
}

export function unreadable(file: string, error: unknown): UploadError {
  return new UploadError(
    `${file} could not be read: ${error instanceof Error ? error.message : String(error)}.`,
    'Check its owner and mode, or leave it out with upload-exclude.',
  );
}
