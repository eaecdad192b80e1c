import { createHash } from 'node:crypto';
import { createReadStream, readFileSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { setImmediate as nextTurn } from 'node:timers/promises';
import { commitContent, headerOf, idOf, type NamedObject, treeContent } from './git-objects.ts';
import { type TreeEntry, unreadable } from './read-tree.ts';
import { changedWhileRead, UploadError } from './upload-error.ts';

type FileEntry = Extract<TreeEntry, { kind: 'file' }>;

/** One object of an upload. A file whose content is not kept is read again when it is sent. */
export type UploadObject =
  | { kind: 'blob'; id: string; size: number; from: FileEntry; content: Buffer | null }
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
/** Files that are kept until they are sent, in bytes together. */
const KEPT = 64 * 1024 * 1024;
const AT_ONCE = 8;
/** Milliseconds of reading after which others have their turn, such as the connection to the host. */
const TURN = 10;
/** Files that take longer, in milliseconds for each, are not in the system's memory; and how many tell that. */
const SLOW = 0.5;
const ENOUGH = 20;

/** Reads every file once, and names all by their content. Throws an `UploadError`. */
export async function bundleOf(entries: readonly TreeEntry[], builtFrom: string): Promise<Bundle> {
  const objects = new Map<string, UploadObject>();
  const top = directory();
  const read = startReader();
  let size = 0;
  let kept = 0;
  await inParallel(entries, async (entry) => {
    const object = entry.kind === 'link' ? linkObject(entry.target) : await fileObject(entry, read);
    if (!objects.has(object.id)) {
      if ('from' in object && object.content !== null) {
        kept += object.size;
        if (kept > KEPT) object.content = null;
      }
      objects.set(object.id, object);
    }
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

async function fileObject(from: FileEntry, read: Reader): Promise<UploadObject> {
  const { file, size } = from;
  try {
    const content = size <= WHOLE ? await read(file) : null;
    const id = content === null ? await idOfLarge(from) : idOf('blob', content);
    requireSame(from);
    return { kind: 'blob', id, size, from, content };
  } catch (error) {
    throw error instanceof UploadError ? error : unreadable(file, error);
  }
}

type Reader = (file: string) => Promise<Buffer>;

/** To ask for several files at once takes longer than to read one, unless a disk is what is waited for. */
function startReader(): Reader {
  let turn = performance.now();
  let count = 0;
  let time = 0;
  return async (file) => {
    if (count >= ENOUGH && time > count * SLOW) return readFile(file);
    const started = performance.now();
    const content = readFileSync(file);
    const now = performance.now();
    count += 1;
    time += now - started;
    if (now - turn > TURN) {
      await nextTurn();
      turn = performance.now();
    }
    return content;
  };
}

async function idOfLarge({ file, size }: FileEntry): Promise<string> {
  const hash = createHash('sha1').update(headerOf('blob', size));
  for await (const chunk of createReadStream(file, { highWaterMark: WHOLE })) hash.update(chunk);
  return hash.digest('hex');
}

/** A file that grew, shrank or was written meanwhile is half of one version and half of another. */
export function requireSame({ file, path, size, changed }: FileEntry): void {
  const now = statSync(file, { bigint: true });
  if (now.size !== BigInt(size) || now.mtimeNs !== changed) throw changedWhileRead(path);
}

async function inParallel<T>(all: readonly T[], work: (one: T) => Promise<void>): Promise<void> {
  const ahead = all[Symbol.iterator]();
  const worker = async (): Promise<void> => {
    for (const one of ahead) await work(one);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));
}
