// Writes the tables of docs/inputs.md from action.yml, between the marks that the page has for them.
// A comment before an input in action.yml begins a group of inputs, which gets a table of its own.
// `--check` writes nothing, and fails if the page is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseDocument } from 'yaml';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const PAGE = path.join(ROOT, 'docs/inputs.md');

const action = parseDocument(readFileSync(path.join(ROOT, 'action.yml'), 'utf8'));
const before = readFileSync(PAGE, 'utf8');
const outputs = action
  .get('outputs')
  .items.map(({ key, value }) => [code(key.value), value.get('description')]);
const after = [
  ['inputs', inputTables()],
  ['outputs', table(['Output', 'What it says'], outputs)],
].reduce((text, [mark, content]) => replaceBetween(text, mark, content), before);

if (!process.argv.includes('--check')) {
  writeFileSync(PAGE, after);
} else if (after !== before) {
  console.error('docs/inputs.md does not say what action.yml says: run `node scripts/readme.mjs`.');
  process.exitCode = 1;
}

function inputTables() {
  const groups = [];
  // The parser hands the comment before the first input to the map.
  let heading = action.get('inputs').commentBefore;
  for (const { key, value } of action.get('inputs').items) {
    heading = key.commentBefore ?? heading;
    if (heading) groups.push({ heading: heading.trim(), rows: [] });
    heading = null;
    groups.at(-1).rows.push([code(key.value), value.get('description'), defaultOf(value)]);
  }
  return groups
    .map(({ heading, rows }) => `### ${heading}\n\n${table(['Input', 'What it takes', 'Default'], rows)}`)
    .join('\n\n');
}

function defaultOf(input) {
  if (input.get('required')) return '(required)';
  const value = input.get('default');
  return value === undefined ? '' : code(value);
}

function table(head, rows) {
  const line = (cells) => `| ${cells.map(cell).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...rows.map(line)].join('\n');
}

function cell(text) {
  return String(text).trim().replace(/\s+/g, ' ').replaceAll('|', '\\|');
}

function code(text) {
  return `\`${text}\``;
}

function replaceBetween(text, mark, content) {
  const [open, close] = [`<!-- ${mark} -->`, `<!-- /${mark} -->`];
  const from = text.indexOf(open);
  const to = text.indexOf(close);
  if (from < 0 || to < from) throw new Error(`docs/inputs.md has no place for a table: ${open} … ${close}`);
  return `${text.slice(0, from + open.length)}\n\n${content}\n\n${text.slice(to)}`;
}
