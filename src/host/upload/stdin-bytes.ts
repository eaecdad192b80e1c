/** The bytes of a stream, for whoever knows how many come. No more is read than is asked for, so that the sender waits. */
export interface Bytes {
  /** Exactly so many. Throws a `CutShort` if the stream ends before. */
  take(count: number): Promise<Buffer>;
  /** All that is left, piece by piece. */
  rest(): AsyncGenerator<Buffer>;
}

/** The sender is gone before all had come. */
export class CutShort extends Error {}

export function bytesOf(stream: AsyncIterable<Buffer>): Bytes {
  const chunks = stream[Symbol.asyncIterator]();
  let ahead: Buffer = Buffer.alloc(0);
  return {
    async take(count) {
      const pieces = [ahead];
      for (let there = ahead.length; there < count; ) {
        const { value, done } = await chunks.next();
        if (done === true) throw new CutShort();
        pieces.push(value);
        there += value.length;
      }
      const whole = Buffer.concat(pieces);
      ahead = whole.subarray(count);
      return whole.subarray(0, count);
    },
    async *rest() {
      if (ahead.length > 0) yield ahead;
      ahead = Buffer.alloc(0);
      for (;;) {
        const { value, done } = await chunks.next();
        if (done === true) return;
        yield value;
      }
    },
  };
}
