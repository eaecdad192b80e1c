import type { Opening, Rejoining } from '../../protocol.ts';

/** The parts of the line that begins a session. */
export function openingLine(opening: Opening | Rejoining): (string | Buffer)[] {
  if ('follow' in opening) return [`${JSON.stringify(opening)}\n`];
  return [`{"plan":${JSON.stringify(opening.plan)},"program":`, jsonOf(opening.program), '}\n'];
}

/** The program is half a megabyte and the same for every host of a deploy: with many hosts it must not be there many times. */
let known: { program: string; json: Buffer } | null = null;

function jsonOf(program: string): Buffer {
  if (known?.program !== program) known = { program, json: Buffer.from(JSON.stringify(program)) };
  return known.json;
}
