import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createDeflate, deflate, deflateSync } from 'node:zlib';
import { type UploadObject, WHOLE } from './bundle.ts';
import { headerOf, idOf, type ObjectKind } from './git-objects.ts';
import { unreadable } from './read-tree.ts';
import { changedWhileRead, UploadError } from './upload-error.ts';

/** Their numbers in a pack. */
const KINDS: Readonly<Record<ObjectKind, number>> = { commit: 1, tree: 2, blob: 3 };
/** Objects that are read and compressed before their turn: together at most this many times `WHOLE` in memory. */
const AHEAD = 8;
/** Bytes of a file that tell whether it can be compressed, and to which part of its size. */
const SAMPLE = 4 * 1024;
const WORTH_IT = 0.9;

type Piece = Buffer | Readable;

/**
 * These objects as one of git's pack files (gitformat-pack): a stream of bytes that ends with its own digest. Throws an
 * `UploadError` if a file is not as it was when it was named.
 */
export async function* packOf(objects: readonly UploadObject[]): AsyncGenerator<Buffer> {
  const hash = createHash('sha1');
  const start = Buffer.alloc(12);
  start.write('PACK');
  start.writeUInt32BE(2, 4);
  start.writeUInt32BE(objects.length, 8);
  hash.update(start);
  yield start;
  for await (const piece of inOrder(objects)) {
    hash.update(piece);
    yield piece;
  }
  yield hash.digest();
}

async function* inOrder(objects: readonly UploadObject[]): AsyncGenerator<Buffer> {
  const waiting: Promise<Piece[]>[] = [];
  const next = objects[Symbol.iterator]();
  for (;;) {
    while (waiting.length < AHEAD) {
      const { value, done } = next.next();
      if (done === true) break;
      const made = piecesOf(value);
      // Whoever waits for it hears of it.
      made.catch(() => {});
      waiting.push(made);
    }
    const first = waiting.shift();
    if (first === undefined) return;
    for (const piece of await first) {
      if (Buffer.isBuffer(piece)) yield piece;
      else yield* piece;
    }
  }
}

async function piecesOf(object: UploadObject): Promise<Piece[]> {
  const entry = entryHeader(object.kind, object.size);
  if (!('from' in object)) return [entry, await compressed(object.content)];
  const { file, path } = object.from;
  if (object.size > WHOLE) return [entry, Readable.from(compressedLarge(object.from, object.id))];
  try {
    const content = await readFile(file);
    if (idOf('blob', content) !== object.id) throw changedWhileRead(path);
    return [entry, await compressed(content)];
  } catch (error) {
    throw error instanceof UploadError ? error : unreadable(file, error);
  }
}

/** The kind, and the size in groups of 4 and then 7 bits, the lowest first. */
export function entryHeader(kind: ObjectKind, size: number): Buffer {
  const bytes: number[] = [];
  let byte = (KINDS[kind] << 4) | (size % 16);
  // A division, since a shift would cut a size above 2 GiB.
  for (let rest = Math.floor(size / 16); rest > 0; rest = Math.floor(rest / 128)) {
    bytes.push(byte | 0x80);
    byte = rest % 128;
  }
  bytes.push(byte);
  return Buffer.from(bytes);
}

const deflated = promisify<Buffer, { level: number }, Buffer>(deflate);

function compressed(content: Buffer): Promise<Buffer> {
  return deflated(content, { level: levelFor(content.subarray(0, SAMPLE)) });
}

/** Images and archives are compressed already: their bytes are sent as they are. */
function levelFor(sample: Buffer): 0 | 1 {
  return deflateSync(sample, { level: 1 }).length < sample.length * WORTH_IT ? 1 : 0;
}

async function* compressedLarge(
  { file, path, size }: { file: string; path: string; size: number },
  id: string,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha1').update(headerOf('blob', size));
  const handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(SAMPLE), 0, SAMPLE, 0);
  await handle.close();
  const source = createReadStream(file, { highWaterMark: WHOLE / 4 });
  const zlib = createDeflate({ level: levelFor(buffer.subarray(0, bytesRead)) });
  source.on('data', (chunk) => hash.update(chunk));
  source.on('error', (error) => zlib.destroy(unreadable(file, error)));
  yield* source.pipe(zlib);
  if (hash.digest('hex') !== id) throw changedWhileRead(path);
}
