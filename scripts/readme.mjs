// Writes README's tables of inputs and outputs from action.yml, between the marks that it has for them.
// `--check` writes nothing, and fails where README is not what it would write.
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { parse } from 'yaml';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const README = path.join(ROOT, 'README.md');

const action = parse(readFileSync(path.join(ROOT, 'action.yml'), 'utf8'));
const before = readFileSync(README, 'utf8');
const inputs = Object.entries(action.inputs).map(([name, input]) => [
  code(name),
  input.description,
  defaultOf(input),
]);
const outputs = Object.entries(action.outputs).map(([name, output]) => [code(name), output.description]);
const after = [
  ['inputs', table(['Input', 'What it takes', 'Default'], inputs)],
  ['outputs', table(['Output', 'What it says'], outputs)],
].reduce((text, [mark, content]) => replaceBetween(text, mark, content), before);

if (!process.argv.includes('--check')) {
  writeFileSync(README, after);
} else if (after !== before) {
  console.error('README.md does not say what action.yml says: run `node scripts/readme.mjs`.');
  process.exitCode = 1;
}

function defaultOf({ default: value, required }) {
  if (required) return '(required)';
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
  if (from < 0 || to < from) throw new Error(`README.md has no place for a table: ${open} … ${close}`);
  return `${text.slice(0, from + open.length)}\n${content}\n${text.slice(to)}`;
}
