import {
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { envFilesIn } from '../../../src/host/build/env-files.ts';
import { guardEnvFile, writeEnvFile } from '../../../src/host/build/env-input.ts';
import type { Context } from '../../../src/host/context.ts';
import { differsFrom } from '../../../src/host/deploy/unchanged.ts';
import type { Current } from '../../../src/host/state/current.ts';

let top: string;
let context: Context;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'env-input-'));
  for (const name of ['live', 'staging', 'state']) mkdirSync(join(top, name));
  writeFileSync(join(top, 'staging/.env'), 'A=given\n');
  context = {
    plan: { envFile: { content: 'A=given\n', path: '.env' }, workingDirectory: '', deployId: 'deploy-1' },
    places: { live: join(top, 'live'), state: join(top, 'state') },
    log: () => {},
  } as unknown as Context;
});
afterEach(() => rmSync(top, { recursive: true }));

test('the copy of what it replaces has the same bytes, whatever their encoding', () => {
  const latin = Buffer.from('NAME=Jos\u00e9\n', 'latin1');
  writeFileSync(join(top, 'live/.env'), latin);
  guardEnvFile(context, join(top, 'staging'));
  const [copy = ''] = readdirSync(join(top, 'state/env-files'));
  expect(readFileSync(join(top, 'state/env-files', copy))).toEqual(latin);
});

test('a directory of the commit is not replaced', () => {
  mkdirSync(join(top, 'staging/config'));
  writeFileSync(join(top, 'staging/config/app.json'), '{}');
  const write = (): void => writeEnvFile(join(top, 'staging'), 'config', 'A=1\n', new Map());
  expect(write).toThrow("env-file-path 'config' is a directory of the new version.");
  expect(readdirSync(join(top, 'staging/config'))).toEqual(['app.json']);
});

test('a path below a file of the commit is refused in words', () => {
  writeFileSync(join(top, 'staging/package.json'), '{}');
  const write = (): void => writeEnvFile(join(top, 'staging'), 'package.json/.env', 'A=1\n', new Map());
  expect(write).toThrow("'package.json/.env' is in a directory that the commit does not have");
});

test('a link that leads to itself is no env file', () => {
  symlinkSync('.env.local', join(top, 'staging/.env.local'));
  expect(envFilesIn(join(top, 'staging'))).toEqual(['.env']);
});

test.each([
  ['is gone', null],
  ['was changed by hand', 'A=by hand\n'],
])('a deploy of what is live has something to do if the file %s', async (_, content) => {
  if (content !== null) writeFileSync(join(top, 'live/.env'), content);
  const live = {
    head: { sha: 'a', branch: null },
    current: { sha: 'a' } as Current,
    generated: null,
  };
  expect(await differsFrom(context, 'a', live)).toBe('.env on the server is not what env-file says');
});
