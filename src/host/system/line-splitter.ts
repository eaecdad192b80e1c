import { StringDecoder } from 'node:string_decoder';

/** Characters of one line; a line of this length was cut. */
export const LONGEST_LINE = 4096;

/** Cuts a byte stream into lines at `\n`, `\r\n` and a lone `\r`. Of a longer line only the beginning is given, at once. */
export class LineSplitter {
  readonly #decoder = new StringDecoder('utf8');
  readonly #onLine: (line: string) => void;
  #rest = '';
  /** The line that goes on was given already. */
  #given = false;

  constructor(onLine: (line: string) => void) {
    this.#onLine = onLine;
  }

  write(chunk: Buffer): void {
    // A `\r` at the end may be the first half of `\r\n`: it waits for the next chunk.
    const lines = (this.#rest + this.#decoder.write(chunk)).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop() ?? '';
    for (const line of lines) {
      if (!this.#given) this.#onLine(line.slice(0, LONGEST_LINE));
      this.#given = false;
    }
    const waits = this.#rest.endsWith('\r') ? '\r' : '';
    if (this.#rest.length - waits.length < LONGEST_LINE && !this.#given) return;
    if (!this.#given) this.#onLine(this.#rest.slice(0, LONGEST_LINE));
    this.#given = true;
    this.#rest = waits;
  }

  end(): void {
    const last = (this.#rest + this.#decoder.end()).replace(/\r$/, '');
    this.#rest = '';
    if (last !== '' && !this.#given) this.#onLine(last.slice(0, LONGEST_LINE));
  }
}
