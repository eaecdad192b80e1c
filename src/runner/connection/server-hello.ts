import { showable } from './lines.ts';

/** What a server says in the clear, before the keys are exchanged. */
export interface ServerHello {
  /** For each chunk that comes from the server, from the first on. */
  take(chunk: Buffer): void;
  /** Whether it has named itself as an SSH server. */
  isSsh(): boolean;
  /** The first line of what came instead of that, as it may be shown; empty if nothing came. */
  said(): string;
  /** The algorithms of one kind that it offers, or none where it has not said. */
  offers(kind: AlgorithmKind): string[];
}

/** In the order in which a server lists them (RFC 4253, 7.1); cipher and MAC are those towards the server. */
const KINDS = ['key exchange', 'host key', 'cipher', 'cipher back', 'MAC'] as const;
export type AlgorithmKind = (typeof KINDS)[number];

/** Bytes that are kept: a list of all algorithms takes about 1,500. */
const MOST = 32 * 1024;
/** What precedes the lists in a packet: its length, the padding's, the message's number, a cookie. */
const BEFORE_LISTS = 4 + 1 + 1 + 16;
const KEXINIT = 20;
/** Marks of the protocol among the key exchange algorithms. */
const NO_ALGORITHM = /^(?:ext-info-|kex-strict-)/;

/** Listens to a server's first bytes. */
export function serverHello(): ServerHello {
  let heard = Buffer.alloc(0);
  const name = (): RegExpExecArray | null => /(?:^|\n)SSH-[^\n]*\n/.exec(heard.toString('latin1'));
  return {
    take(chunk) {
      if (heard.length < MOST) heard = Buffer.concat([heard, chunk]);
    },
    isSsh: () => name() !== null,
    said: () =>
      showable(
        heard
          .toString('utf8')
          .split('\n')
          .find((line) => line.trim() !== '') ?? '',
      ),
    offers(kind) {
      const found = name();
      if (found === null) return [];
      const lists = listsIn(heard.subarray(found.index + found[0].length));
      return (lists[KINDS.indexOf(kind)] ?? [])
        .filter((algorithm) => !NO_ALGORITHM.test(algorithm))
        .map(showable);
    },
  };
}

function listsIn(packet: Buffer): string[][] {
  if (packet.length < BEFORE_LISTS || packet[5] !== KEXINIT) return [];
  const lists: string[][] = [];
  let at = BEFORE_LISTS;
  while (lists.length < KINDS.length && at + 4 <= packet.length) {
    const end = at + 4 + packet.readUInt32BE(at);
    if (end > packet.length) break;
    lists.push(
      packet
        .toString('latin1', at + 4, end)
        .split(',')
        .filter(Boolean),
    );
    at = end;
  }
  return lists;
}
