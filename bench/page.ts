import { readFileSync, writeFileSync } from 'node:fs';

const MARKS = ['<!-- table -->', '<!-- /table -->'] as const;

/** Replaces what a page has between the marks of its table. */
export function writeTable(page: string, table: string): void {
  const [before = '', rest = ''] = readFileSync(page, 'utf8').split(MARKS[0]);
  const after = rest.split(MARKS[1])[1] ?? '';
  writeFileSync(page, `${before}${MARKS[0]}\n${table}\n${MARKS[1]}${after}`);
}
