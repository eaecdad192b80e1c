import { execFileSync } from 'node:child_process';
import { appendFileSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { noteLogSizes, readAdded } from '../../../src/host/health/error-log.ts';
import { type Instance, parseList } from '../../../src/host/pm2/list.ts';

let dir: string;
beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'log-'));
});
afterEach(() => rmSync(dir, { recursive: true }));

const log = (name: string): string => join(dir, name);
const writing = (...paths: string[]): Instance[] =>
  parseList(paths.map((path, at) => ({ name: 'web', pm_id: at, pm2_env: { pm_err_log_path: path } })));

test('gives what was added, of files old and new, and nothing that was there before', () => {
  writeFileSync(log('a'), 'old\n');
  const apps = writing(log('a'), log('b'), '/dev/null');
  const notes = noteLogSizes(apps);
  expect(readAdded(notes, apps, 10)).toEqual([]);
  appendFileSync(log('a'), 'Error: one\n    at x\n\n');
  writeFileSync(log('b'), 'Error: two');
  writeFileSync(log('c'), 'of an instance that came later');
  expect(readAdded(JSON.parse(JSON.stringify(notes)), [...apps, ...writing(log('c'))], 10)).toEqual([
    'Error: one',
    '    at x',
    'Error: two',
    'of an instance that came later',
  ]);
});

test('what other apps have added is left out', () => {
  writeFileSync(log('a'), 'old\n');
  writeFileSync(log('b'), 'old\n');
  const notes = noteLogSizes(writing(log('a'), log('b')));
  appendFileSync(log('a'), 'of one\n');
  appendFileSync(log('b'), 'of another\n');
  expect(readAdded(notes, writing(log('a')), 10)).toEqual(['of one']);
});

test('a log that was cut or rotated is read from its beginning', () => {
  writeFileSync(log('cut'), 'a long old text\n');
  writeFileSync(log('rotated'), 'x\n');
  const apps = writing(log('cut'), log('rotated'));
  const notes = noteLogSizes(apps);
  writeFileSync(log('cut'), 'new\n');
  renameSync(log('rotated'), log('rotated.1'));
  writeFileSync(log('rotated'), 'newer and longer\n');
  expect(readAdded(notes, apps, 10)).toEqual(['new', 'newer and longer']);
});

test('keeps the last lines, each file with its share, and does not read a huge log', () => {
  const lines = (word: string, count: number): string =>
    Array.from({ length: count }, (_, at) => `${word} ${at}\n`).join('');
  writeFileSync(log('a'), lines('a', 200_000));
  writeFileSync(log('b'), lines('b', 2));
  writeFileSync(log('c'), lines('c', 100));
  const added = readAdded({}, writing(log('a'), log('b'), log('c')), 10);
  expect(added).toEqual(
    [199_996, 199_997, 199_998, 199_999]
      .map((at) => `a ${at}`)
      .concat(
        ['b 0', 'b 1'],
        [96, 97, 98, 99].map((at) => `c ${at}`),
      ),
  );
  expect(readAdded({}, writing(log('a')), 1_000_000).length).toBeLessThan(30_000);
  expect(readAdded({}, writing(log('a')), 1_000_000)[0]).toMatch(/^a \d+$/);
});

test('a log that is a named pipe, or that cannot be opened, is passed over', () => {
  execFileSync('mkfifo', [log('pipe')]);
  const apps = writing(log('pipe'), log('none/such'), dir);
  expect(readAdded(noteLogSizes(apps), apps, 10)).toEqual([]);
});
