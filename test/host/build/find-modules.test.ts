import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findModules } from '../../../src/host/build/find-modules.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'modules-')));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function put(path: string, text = ''): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
}

const app = (settings: Record<string, string | number | string[]>, cwd = 'live') => ({
  name: 'web',
  script: 'server.ts',
  exec_mode: 'cluster',
  cwd: join(root, cwd),
  env: {},
  ...settings,
});
const argsOf = async (given: ReturnType<typeof app>): Promise<unknown> => {
  const version = { top: join(root, 'staging'), live: join(root, 'live'), env: process.env };
  return (await findModules([given], version))[0]?.node_args;
};

test('a module is found from the directory of the app in the new version, and named as it will lie in live', async () => {
  const both = { '.': { import: './esm.mjs', require: './cjs.js' } };
  put('staging/node_modules/.store/tsx/package.json', JSON.stringify({ name: 'tsx', exports: both }));
  for (const file of ['esm.mjs', 'cjs.js']) put(`staging/node_modules/.store/tsx/${file}`);
  symlinkSync('.store/tsx', join(root, 'staging/node_modules/tsx'));
  put('staging/apps/web/setup.js');
  const live = join(root, 'live');
  expect(await argsOf(app({ node_args: '--import tsx -r tsx' }, 'live/apps/web'))).toEqual([
    ...['--import', `${live}/node_modules/.store/tsx/esm.mjs`],
    ...['-r', `${live}/node_modules/.store/tsx/cjs.js`],
  ]);
  expect(await argsOf(app({ node_args: ['--require=./setup'] }, 'live/apps/web'))).toEqual([
    `--require=${live}/apps/web/setup.js`,
  ]);
});

test('what is not there, and an app in fork mode, stay as they are written', async () => {
  put('staging/node_modules/tsx/index.js');
  expect(await argsOf(app({ node_args: '--import nothing-of-this-name' }))).toEqual([
    '--import',
    'nothing-of-this-name',
  ]);
  expect(await argsOf(app({ node_args: '--require tsx', exec_mode: 'fork' }))).toBe('--require tsx');
  expect(await argsOf(app({}))).toBeUndefined();
});
