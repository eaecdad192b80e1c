import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import type { Row } from './lane.ts';

/** What was measured so far: one row in JSON a line. A row that is measured again takes the place of the older one. */
export function readFigures(file: string): Row[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
}

/** Adds rows, and returns all. Sorted, so that a change of the file shows what was measured again. */
export function addFigures(file: string, rows: readonly Row[]): Row[] {
  const all = new Map([...readFigures(file), ...rows].map((row) => [keyOf(row), row]));
  const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  writeFileSync(file, sorted.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return sorted;
}

function keyOf({ framework, node, pm2, mode, shutdown }: Row): string {
  return [framework, mode, shutdown, node, pm2].join(' ');
}
