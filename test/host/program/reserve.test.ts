import { execFileSync } from 'node:child_process';
import { mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { pathToFileURL } from 'node:url';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { makeRoom, takeReserve } from '../../../src/host/program/reserve.ts';
import { diskTrouble } from '../../../src/host/system/failure.ts';

let runDir: string;
beforeEach(() => {
  runDir = mkdtempSync(join(tmpdir(), 'run-'));
});
afterEach(() => rmSync(runDir, { recursive: true }));

/** Calls a function in a process that can write files of no more than 8 KiB, as if the disk were full. */
function callLimited(name: string): string {
  const source = pathToFileURL(resolve(import.meta.dirname, '../../../src/host/program/reserve.ts')).href;
  const script = `import * as reserve from ${JSON.stringify(source)};
    try { console.log(reserve[${JSON.stringify(name)}](${JSON.stringify(runDir)})); } catch (error) { console.log(error.code); }`;
  const limited = 'ulimit -f 8; exec "$0" --input-type=module -e "$1"';
  return execFileSync('bash', ['-c', limited, process.execPath, script], { encoding: 'utf8' }).trim();
}

test('the reserve is kept while there is room, and given back once where there is none', () => {
  takeReserve(runDir);
  expect(makeRoom(runDir)).toBe(false);
  const reserve = join(runDir, 'reserve');
  const sizes = readdirSync(reserve).map((name) => statSync(join(reserve, name)).size);
  expect(sizes).toEqual(Array.from({ length: 16 }, () => 32 * 1024));
  expect(statSync(reserve).mode & 0o777).toBe(0o700);
  expect(callLimited('makeRoom')).toBe('true');
  expect(readdirSync(runDir)).toEqual([]);
  expect(callLimited('makeRoom')).toBe('false');
});

test('where there is no room for it, nothing of it is left', () => {
  expect(callLimited('takeReserve')).toBe('EFBIG');
  expect(readdirSync(runDir)).toEqual([]);
});

test.each([
  [
    { code: 'ENOSPC', path: '/srv/app/x' },
    /^A disk of this host is full, or out of inodes: \/srv\/app\/x cannot/,
  ],
  [{ code: 'EDQUOT' }, /^The disk quota of this user is used up\.$/],
  [{ code: 'ENOSPC', path: '/from', dest: '/to' }, /: \/to cannot/],
  [{ code: 'EROFS', path: '/srv/app' }, /read-only: \/srv\/app cannot be written\.$/],
])('a file that could not be written, in words: %o', (fields, said) => {
  expect(diskTrouble(Object.assign(new Error('x'), fields))?.message).toMatch(said);
});

test.each([[new Error('x')], [Object.assign(new Error('x'), { code: 'ENOENT' })], [null], ['text']])(
  'no trouble of a disk: %o',
  (error) => {
    expect(diskTrouble(error)).toBe(null);
  },
);
