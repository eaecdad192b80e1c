import { StringDecoder } from 'node:string_decoder';

/** A line that is longer is no line of ours; what comes of it is dropped. Characters. */
const LONGEST = 16 * 1024 * 1024;

/** Characters of a line that are shown, and how many are looked at for each of them. */
const LONGEST_SHOWN = 200;
const LONGEST_RAW = 10;

/** Cuts a byte stream into lines at `\n`, and hands each on without it. What follows the last `\n` is never a line. */
export function lineReader(onLine: (line: string) => void): (chunk: Buffer) => void {
  const decoder = new StringDecoder('utf8');
  let pieces: string[] = [];
  let length = 0;
  return (chunk) => {
    const parts = decoder.write(chunk).split('\n');
    const last = parts.pop() ?? '';
    for (const part of parts) {
      const line = pieces.length === 0 ? part : [...pieces, part].join('');
      pieces = [];
      length = 0;
      onLine(line);
    }
    length += last.length;
    if (length > LONGEST) pieces = [];
    else if (last !== '') pieces.push(last);
  };
}

/** What may be shown of a line that a host sent: no control characters, no escape sequences, no login in an address, not for ever. */
export function showable(line: string): string {
  // Cut first: a line of millions of characters would be searched for a minute.
  const plain = line
    .slice(0, LONGEST_SHOWN * LONGEST_RAW)
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
    .replace(/\u001B(?:\[[0-?]*[ -/]*[@-~]|\][^\u0007\u001B]*(?:\u0007|\u001B\\)?|.)/g, '')
    // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is taken out.
    .replace(/[\u0000-\u001F\u007F-\u009F\u2028\u2029\u202A-\u202E\u2066-\u2069]/g, ' ')
    // The host program hides them. What a start-up file prints comes before it, or instead of it.
    .replace(/\/\/(?!git@)[^\s/]*@/g, '//***@')
    .trim();
  return plain.length > LONGEST_SHOWN ? `${plain.slice(0, LONGEST_SHOWN)} …` : plain;
}
