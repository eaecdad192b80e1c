import type { Delivery, Opening, Rejoining } from '../../protocol.ts';
import { FIND_NODE } from './find-node.ts';

/** The script that finds Node, and what it reads itself: shell-init. Each ends with a line that is the nonce. */
export function openingScript(nonce: string, shellInit: string | null): string {
  const init = (shellInit ?? '').replace(/\r\n?/g, '\n').trimEnd();
  return `${FIND_NODE}${nonce}\n${init === '' ? '' : `${init}\n`}${nonce}\n`;
}

/** The parts of the line that begins a session. */
export function openingLine(opening: Opening | Rejoining | Delivery): (string | Buffer)[] {
  if ('follow' in opening) return [`${JSON.stringify(opening)}\n`];
  const { program, ...rest } = opening;
  if (program === null) return [`${JSON.stringify(rest)}\n`];
  return [`${JSON.stringify(rest).slice(0, -1)},"program":`, jsonOf(program), '}\n'];
}

/** The program is large and the same for every host of a deploy: with many hosts it must not be there many times. */
let known: { program: string; json: Buffer } | null = null;

function jsonOf(program: string): Buffer {
  if (known?.program !== program) known = { program, json: Buffer.from(JSON.stringify(program)) };
  return known.json;
}
