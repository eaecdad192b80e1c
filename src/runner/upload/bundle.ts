import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { commitContent, headerOf, idOf, type NamedObject, treeContent } from './git-objects.ts';
import { type TreeEntry, unreadable } from './read-tree.ts';
import { changedWhileRead, UploadError } from './upload-error.ts';

type FileEntry = Extract<TreeEntry, { kind: 'file' }>;

/** One object of an upload. What is a file is read again when it is sent. */
export type UploadObject =
  | { kind: 'blob'; id: string; size: number; from: FileEntry }
  | { kind: 'commit' | 'tree' | 'blob'; id: string; size: number; content: Buffer };

/** All that a host has to have of an upload, as git objects. */
export interface Bundle {
  /** The commit that stands for the upload. */
  commit: string;
  objects: readonly UploadObject[];
  /** Of the files, in bytes. */
  size: number;
  files: number;
}

/** A file above this is read in pieces. Bytes. */
export const WHOLE = 1024 * 1024;
const AT_ONCE = 8;

/** Reads every file once, and names all by their content. Throws an `UploadError`. */
export async function bundleOf(entries: readonly TreeEntry[], builtFrom: string): Promise<Bundle> {
  const objects = new Map<string, UploadObject>();
  const top = directory();
  let size = 0;
  await inParallel(entries, async (entry) => {
    const object = entry.kind === 'link' ? linkObject(entry.target) : await fileObject(entry);
    if (!objects.has(object.id)) objects.set(object.id, object);
    if (entry.kind === 'file') size += entry.size;
    const mode = entry.kind === 'link' ? '120000' : entry.executable ? '100755' : '100644';
    put(top, entry.path.split('/'), mode, object.id);
  });
  const tree = addTrees(top, objects);
  const content = commitContent(tree, builtFrom);
  const commit = idOf('commit', content);
  objects.set(commit, { kind: 'commit', id: commit, size: content.length, content });
  return { commit, objects: [...objects.values()], size, files: entries.length };
}

interface Directory {
  files: NamedObject[];
  directories: Map<string, Directory>;
}

function directory(): Directory {
  return { files: [], directories: new Map() };
}

function put(top: Directory, names: readonly string[], mode: NamedObject['mode'], id: string): void {
  let there = top;
  for (const name of names.slice(0, -1)) {
    const next = there.directories.get(name) ?? directory();
    there.directories.set(name, next);
    there = next;
  }
  there.files.push({ name: names.at(-1) ?? '', mode, id });
}

/** The id of the tree. */
function addTrees({ files, directories }: Directory, objects: Map<string, UploadObject>): string {
  const below = [...directories].map(
    ([name, each]): NamedObject => ({
      name,
      mode: '40000',
      id: addTrees(each, objects),
    }),
  );
  const content = treeContent([...files, ...below]);
  const id = idOf('tree', content);
  objects.set(id, { kind: 'tree', id, size: content.length, content });
  return id;
}

function linkObject(target: string): UploadObject {
  const content = Buffer.from(target);
  return { kind: 'blob', id: idOf('blob', content), size: content.length, content };
}

async function fileObject(from: FileEntry): Promise<UploadObject> {
  const { size } = from;
  let id: string;
  try {
    id = size <= WHOLE ? idOf('blob', await readFile(from.file)) : await idOfLarge(from);
    await requireSame(from);
  } catch (error) {
    throw error instanceof UploadError ? error : unreadable(from.file, error);
  }
  return { kind: 'blob', id, size, from };
}

async function idOfLarge({ file, size }: FileEntry): Promise<string> {
  const hash = createHash('sha1').update(headerOf('blob', size));
  for await (const chunk of createReadStream(file, { highWaterMark: WHOLE })) hash.update(chunk);
  return hash.digest('hex');
}

/** A file that grew, shrank or was written meanwhile is half of one version and half of another. */
async function requireSame({ file, path, size, changed }: FileEntry): Promise<void> {
  const now = await stat(file, { bigint: true });
  if (now.size !== BigInt(size) || now.mtimeNs !== changed) throw changedWhileRead(path);
}

async function inParallel<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const ahead = all[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const one of ahead) await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
