import { readFileSync, writeFileSync } from 'node:fs';

/** Replaces what a page has between the marks of a table: `<!-- name -->` and `<!-- /name -->`, each on a line of its own. */
export function writeTable(page: string, table: string, name = 'table'): void {
  const marks = [`<!-- ${name} -->\n`, `<!-- /${name} -->`] as const;
  const [before = '', rest] = readFileSync(page, 'utf8').split(marks[0]);
  const [, after] = rest?.split(marks[1]) ?? [];
  if (after === undefined) throw new Error(`${page} has no marks of '${name}'`);
  writeFileSync(page, `${before}${marks[0]}${table}\n${marks[1]}${after}`);
}
