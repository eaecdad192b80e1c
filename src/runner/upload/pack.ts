import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { open, readFile } from 'node:fs/promises';
import { Readable } from 'node:stream';
import { promisify } from 'node:util';
import { createDeflate, deflate, deflateSync } from 'node:zlib';
import { requireSame, type UploadObject, WHOLE } from './bundle.ts';
import { headerOf, idOf, type ObjectKind } from './git-objects.ts';
import { type Pace, startPace } from './line-pace.ts';
import { unreadable } from './read-tree.ts';
import { changedWhileRead, UploadError } from './upload-error.ts';

/** Their numbers in a pack. */
const KINDS: Readonly<Record<ObjectKind, number>> = { commit: 1, tree: 2, blob: 3 };
/** Objects that are read and compressed before their turn: together at most this many times `WHOLE` in memory. */
const AHEAD = 8;
/** Small objects are sent together, in so many bytes or more: each piece costs an SSH packet. */
const TOGETHER = 256 * 1024;
/** Bytes of a file that tell whether it can be compressed, and to which part of its size. */
const SAMPLE = 4 * 1024;
const WORTH_IT = 0.9;

type Piece = Buffer | Readable;

/**
 * These objects as one of git's pack files (gitformat-pack): a stream of bytes that ends with its own digest. `pace` hears how
 * long each piece is waited for before the next one is asked for. Throws an `UploadError` if a file is not as it was when it
 * was named.
 */
export async function* packOf(
  objects: readonly UploadObject[],
  pace: Pace = startPace(),
): AsyncGenerator<Buffer> {
  const hash = createHash('sha1');
  const start = Buffer.alloc(12);
  start.write('PACK');
  start.writeUInt32BE(2, 4);
  start.writeUInt32BE(objects.length, 8);
  hash.update(start);
  yield start;
  for await (const piece of together(inOrder(objects, pace))) {
    hash.update(piece);
    const given = performance.now();
    yield piece;
    pace.took(piece.length, performance.now() - given);
  }
  yield hash.digest();
}

async function* together(pieces: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
  let waiting: Buffer[] = [];
  let size = 0;
  for await (const piece of pieces) {
    waiting.push(piece);
    size += piece.length;
    if (size < TOGETHER) continue;
    yield Buffer.concat(waiting);
    waiting = [];
    size = 0;
  }
  if (size > 0) yield Buffer.concat(waiting);
}

async function* inOrder(objects: readonly UploadObject[], pace: Pace): AsyncGenerator<Buffer> {
  const waiting: Promise<Piece[]>[] = [];
  const next = objects[Symbol.iterator]();
  for (;;) {
    while (waiting.length < AHEAD) {
      const { value, done } = next.next();
      if (done === true) break;
      const made = piecesOf(value, pace.compresses());
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

async function piecesOf(object: UploadObject, compresses: boolean): Promise<Piece[]> {
  const entry = entryHeader(object.kind, object.size);
  if ('from' in object && object.size > WHOLE) {
    return [entry, Readable.from(compressedLarge(object.from, object.id, compresses))];
  }
  const content = 'from' in object ? await contentOf(object) : object.content;
  return [entry, await (compresses ? compressed(content) : stored(content))];
}

/** As it was when it was named. */
async function contentOf({ id, from, content }: Extract<UploadObject, { from: unknown }>): Promise<Buffer> {
  try {
    if (content === null) {
      const read = await readFile(from.file);
      if (idOf('blob', read) !== id) throw changedWhileRead(from.path);
      return read;
    }
    requireSame(from);
    return content;
  } catch (error) {
    throw error instanceof UploadError ? error : unreadable(from.file, error);
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

/** zlib's format takes content as it is. It needs no memory to look for what is the same then. */
const AS_IT_IS = { level: 0, memLevel: 1, windowBits: 9 };

function stored(content: Buffer): Buffer {
  return deflateSync(content, { ...AS_IT_IS, chunkSize: content.length + 1024 });
}

/** Images and archives are compressed already: their bytes are sent as they are. */
function levelFor(sample: Buffer): 0 | 1 {
  return deflateSync(sample, { level: 1 }).length < sample.length * WORTH_IT ? 1 : 0;
}

async function* compressedLarge(
  { file, path, size }: { file: string; path: string; size: number },
  id: string,
  compresses: boolean,
): AsyncGenerator<Buffer> {
  const hash = createHash('sha1').update(headerOf('blob', size));
  const handle = await open(file);
  const { buffer, bytesRead } = await handle.read(Buffer.alloc(SAMPLE), 0, SAMPLE, 0);
  await handle.close();
  const source = createReadStream(file, { highWaterMark: WHOLE / 4 });
  const level = compresses ? levelFor(buffer.subarray(0, bytesRead)) : 0;
  const zlib = createDeflate({ level });
  source.on('data', (chunk) => hash.update(chunk));
  source.on('error', (error) => zlib.destroy(unreadable(file, error)));
  yield* source.pipe(zlib);
  if (hash.digest('hex') !== id) throw changedWhileRead(path);
}
