import { chmodSync, mkdtempSync, realpathSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { requireFiles } from '../../../src/host/build/required-files.ts';
import { placesOf } from '../../../src/host/state/places.ts';
import { plant } from '../swap/site-fixture.ts';

let home: string;
beforeAll(() => {
  home = realpathSync(mkdtempSync(path.join(tmpdir(), 'required-')));
  const runner = { 'tools/run': '#!/bin/sh\n' };
  plant(path.join(home, 'staging'), { 'server.js': '', 'tools/plain': '', ...runner });
  plant(path.join(home, 'app'), { 'venv/run': '#!/bin/sh\n', 'shared/venv/run': '#!/bin/sh\n' });
  for (const file of ['staging/tools/run', 'app/venv/run', 'app/shared/venv/run'])
    chmodSync(path.join(home, file), 0o755);
});
afterAll(() => rmSync(home, { recursive: true }));

const check = (settings: Record<string, string>, layout: 'in-place' | 'releases'): void => {
  const places = placesOf(path.join(home, 'app'), '', path.join(home, 'state'), layout);
  const inLive = Object.entries(settings).map(([key, value]) => [key, value.replace('LIVE', places.live)]);
  const app = { name: 'web', cwd: places.live, env: {}, script: 'server.js', ...Object.fromEntries(inLive) };
  requireFiles(app, places, path.join(home, 'staging'));
};

test.each(['in-place', 'releases'] as const)('what PM2 is to start is looked for, %s', (layout) => {
  for (const interpreter of ['none', 'bash', 'node@22', '/bin/sh', 'LIVE/tools/run', 'LIVE/venv/run'])
    check({ interpreter }, layout);
  expect(() => check({ script: 'dist/none.js' }, layout)).toThrow(
    "The build made no dist/none.js, which is the script of 'web'.",
  );
  expect(() => check({ exec_interpreter: 'LIVE/tools/none' }, layout)).toThrow(
    /^There is no \S+\/tools\/none, which is the interpreter of 'web'\.$/,
  );
  expect(() => check({ interpreter: '/none/python' }, layout)).toThrow('There is no /none/python');
  expect(() => check({ execInterpreter: 'LIVE/tools/plain' }, layout)).toThrow(
    /^This user may not execute \S+\/tools\/plain, which/,
  );
});
