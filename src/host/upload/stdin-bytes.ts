import type { Readable } from 'node:stream';

/** The bytes of a stream, for whoever knows how many come. No more is read than is asked for, so that the sender waits. */
export interface Bytes {
  /** Exactly so many. Throws a `CutShort` if the stream ends before. */
  take(count: number): Promise<Buffer>;
  /** What comes in frames, piece by piece: four bytes say how long a frame is, and one of no length is the last. */
  frames(): AsyncGenerator<Buffer>;
  /** Reads no more. Returns what was read, and not asked for. */
  leave(): Buffer;
}

/** The sender is gone before all had come. */
export class CutShort extends Error {}

/** `ahead` was read before. A frozen sender sends no end: after `patience` milliseconds of silence it is taken for gone. */
export function bytesOf(stream: Readable, ahead: Buffer, patience: number): Bytes {
  const chunks = ahead.length === 0 ? [] : [ahead];
  let isOver = false;
  let wake = (): void => {};
  const onData = (chunk: Buffer): void => {
    chunks.push(chunk);
    stream.pause();
    wake();
  };
  const onEnd = (): void => {
    isOver = true;
    wake();
  };
  stream.on('data', onData).on('end', onEnd).on('error', onEnd);

  const more = async (): Promise<void> => {
    if (isOver) throw new CutShort();
    const silence = setTimeout(onEnd, patience);
    await new Promise<void>((resolve) => {
      wake = resolve;
      stream.resume();
    });
    clearTimeout(silence);
  };
  const upTo = async (most: number): Promise<Buffer> => {
    for (;;) {
      const [first] = chunks;
      if (first === undefined) await more();
      else if (first.length > most) {
        chunks[0] = first.subarray(most);
        return first.subarray(0, most);
      } else {
        chunks.shift();
        return first;
      }
    }
  };
  const take: Bytes['take'] = async (count) => {
    const pieces: Buffer[] = [];
    for (let left = count; left > 0; left -= pieces.at(-1)?.length ?? 0) pieces.push(await upTo(left));
    return Buffer.concat(pieces);
  };
  return {
    take,
    async *frames() {
      for (;;) {
        let left = (await take(4)).readUInt32BE();
        if (left === 0) return;
        while (left > 0) {
          const piece = await upTo(left);
          left -= piece.length;
          yield piece;
        }
      }
    },
    leave() {
      stream.off('data', onData).off('end', onEnd).off('error', onEnd);
      stream.pause();
      return Buffer.concat(chunks);
    },
  };
}
