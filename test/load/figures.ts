import { existsSync, readFileSync, writeFileSync } from 'node:fs';

/** What was measured so far and is kept in a file: a row in JSON on each line. Empty if there is no file. */
export function readFigures<Row>(file: string): Row[] {
  if (!existsSync(file)) return [];
  const lines = readFileSync(file, 'utf8').split('\n');
  return lines.filter((line) => line !== '').map((line) => JSON.parse(line) as Row);
}

/**
 * Adds rows, and returns all. A row takes the place of an older one with the same key. They are sorted by it, so that a
 * change of the file shows what was measured again.
 */
export function addFigures<Row>(file: string, rows: readonly Row[], keyOf: (row: Row) => string): Row[] {
  const all = new Map([...readFigures<Row>(file), ...rows].map((row) => [keyOf(row), row]));
  const sorted = [...all].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);
  writeFileSync(file, sorted.map((row) => `${JSON.stringify(row)}\n`).join(''));
  return sorted;
}
