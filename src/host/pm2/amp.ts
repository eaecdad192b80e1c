/**
 * The framing that PM2's daemon speaks on its sockets (AMP, version 1): a byte of version and argument count, then
 * each argument behind its length in four bytes. An argument is text behind `s:`, JSON behind `j:`, or raw bytes.
 */
const VERSION = 1;

/** One message as it goes on the wire. Strings travel as text, everything else as JSON; at most 15 arguments. */
export function encodeMessage(args: readonly unknown[]): Buffer {
  const parts: Buffer[] = [Buffer.from([(VERSION << 4) | args.length])];
  for (const arg of args) {
    const body = Buffer.from(typeof arg === 'string' ? `s:${arg}` : `j:${JSON.stringify(arg ?? null)}`);
    const length = Buffer.alloc(4);
    length.writeUInt32BE(body.length);
    parts.push(length, body);
  }
  return Buffer.concat(parts);
}

/** Gathers bytes and calls back with the arguments of each message that is complete. Throws on JSON that is none. */
export class MessageReader {
  readonly #onMessage: (args: unknown[]) => void;
  #chunks: Buffer[] = [];
  #have = 0;
  /** Bytes below which another look is useless: a list of processes comes in many chunks. */
  #needed = 1;

  constructor(onMessage: (args: unknown[]) => void) {
    this.#onMessage = onMessage;
  }

  write(chunk: Buffer): void {
    this.#chunks.push(chunk);
    this.#have += chunk.length;
    while (this.#have >= this.#needed) {
      const bytes = Buffer.concat(this.#chunks, this.#have);
      const found = split(bytes);
      const rest = 'args' in found ? bytes.subarray(found.length) : bytes;
      this.#chunks = [rest];
      this.#have = rest.length;
      this.#needed = 'args' in found ? 1 : found.needed;
      if ('args' in found) this.#onMessage(found.args.map(unpack));
    }
  }
}

/** The first message in `bytes` and its length, or how many bytes it takes at least to say more. */
function split(bytes: Buffer): { args: Buffer[]; length: number } | { needed: number } {
  const count = (bytes[0] ?? 0) & 0xf;
  const args: Buffer[] = [];
  let at = 1;
  for (let i = 0; i < count; i++) {
    if (bytes.length < at + 4) return { needed: at + 4 };
    const end = at + 4 + bytes.readUInt32BE(at);
    if (bytes.length < end) return { needed: end };
    args.push(bytes.subarray(at + 4, end));
    at = end;
  }
  return { args, length: at };
}

function unpack(arg: Buffer): unknown {
  const kind = arg.toString('latin1', 0, 2);
  if (kind === 's:') return arg.toString('utf8', 2);
  if (kind === 'j:') return JSON.parse(arg.toString('utf8', 2)) as unknown;
  return arg;
}
