import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { appendDurably, writeDurably } from '../../../src/host/system/durable.ts';

let directory: string;
let file: string;

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'durable-'));
  file = join(directory, 'file');
});
afterEach(() => rmSync(directory, { recursive: true }));

/** Calls one of the functions in a process that can write files of no more than 8 KiB: what is beyond is cut off, as on a full disk. */
function callLimited(name: string, text: string): string {
  const source = pathToFileURL(resolve(import.meta.dirname, '../../../src/host/system/durable.ts')).href;
  const script = `import * as durable from ${JSON.stringify(source)};
    try { durable[${JSON.stringify(name)}](${JSON.stringify(file)}, ${JSON.stringify(text)}); console.log('done'); }
    catch (error) { console.log(error.code); }`;
  return execFileSync(
    'bash',
    ['-c', 'ulimit -f 8; exec "$0" --input-type=module -e "$1"', process.execPath, script],
    {
      encoding: 'utf8',
    },
  ).trim();
}

test('what has no room is appended not even in part, and the next line stands for itself', () => {
  appendDurably(file, `${'a'.repeat(6_000)}\n`);
  expect(callLimited('appendDurably', `${'b'.repeat(4_000)}\n`)).toBe('EFBIG');
  expect(callLimited('appendDurably', 'c\n')).toBe('done');
  expect(readFileSync(file, 'utf8')).toBe(`${'a'.repeat(6_000)}\nc\n`);
});

test('what has no room replaces nothing, and takes none', () => {
  writeFileSync(file, 'old');
  expect(callLimited('writeDurably', 'n'.repeat(20_000))).toBe('EFBIG');
  expect(readFileSync(file, 'utf8')).toBe('old');
  expect(readdirSync(directory)).toEqual(['file']);
});

test('only its owner can read it, whatever a killed program has left in its place', () => {
  writeFileSync(`${file}.new`, 'half of', { mode: 0o644 });
  writeDurably(file, 'whole');
  expect(readFileSync(file, 'utf8')).toBe('whole');
  expect(statSync(file).mode & 0o777).toBe(0o600);
});
