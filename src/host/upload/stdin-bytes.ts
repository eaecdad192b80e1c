import type { Readable } from 'node:stream';

/** The bytes of a stream, for whoever knows how many come. No more is read than is asked for, so that the sender waits. */
export interface Bytes {
  /**
   * What comes in frames, piece by piece: four bytes say how long a frame is, and one of no length is the last. Throws a
   * `CutShort` if the stream ends before, or is silent for `patience` milliseconds: a frozen sender sends no end.
   */
  frames(patience: number): AsyncGenerator<Buffer>;
  /** Reads no more. Returns what was read, and not asked for. */
  leave(): Buffer;
}

/** The sender is gone before all had come. */
export class CutShort extends Error {}

/** `ahead` was read before. */
export function bytesOf(stream: Readable, ahead: Buffer): Bytes {
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

  const more = async (patience: number): Promise<void> => {
    if (isOver) throw new CutShort();
    const silence = setTimeout(onEnd, patience);
    await new Promise<void>((resolve) => {
      wake = resolve;
      stream.resume();
    });
    clearTimeout(silence);
  };
  const upTo = async (most: number, patience: number): Promise<Buffer> => {
    for (;;) {
      const [first] = chunks;
      if (first === undefined) await more(patience);
      else if (first.length > most) {
        chunks[0] = first.subarray(most);
        return first.subarray(0, most);
      } else {
        chunks.shift();
        return first;
      }
    }
  };
  const length = async (patience: number): Promise<number> => {
    let bytes = Buffer.alloc(0);
    while (bytes.length < 4) bytes = Buffer.concat([bytes, await upTo(4 - bytes.length, patience)]);
    return bytes.readUInt32BE();
  };
  return {
    async *frames(patience) {
      for (;;) {
        let left = await length(patience);
        if (left === 0) return;
        while (left > 0) {
          const piece = await upTo(left, patience);
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
