/** Decides whether what is sent next is compressed, by how fast the line has taken what was sent. */
export interface Pace {
  /** The line has taken so many bytes in so many milliseconds. */
  took(bytes: number, ms: number): void;
  compresses(): boolean;
}

/** An SSH server takes so many bytes before anybody has read one. They tell nothing of the line. */
const WINDOW = 2 * 1024 * 1024;
/** Bytes by which a line is judged, and after which earlier ones count half. */
const ENOUGH = 512 * 1024;
const RECENT = 4 * 1024 * 1024;
/** A line that takes more bytes in a millisecond is done with a file before one core has compressed it. */
const FAST = 60_000;

/** Compresses until the line is known to be fast: on a slow one, every byte that is not compressed is waited for. */
export function startPace(): Pace {
  let unmeasured = WINDOW;
  let bytes = 0;
  let time = 0;
  return {
    took(count, ms) {
      if (unmeasured > 0) {
        unmeasured -= count;
        return;
      }
      bytes += count;
      time += ms;
      if (bytes < RECENT) return;
      bytes /= 2;
      time /= 2;
    },
    compresses: () => bytes < ENOUGH || bytes < time * FAST,
  };
}
