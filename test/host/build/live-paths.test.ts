import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { meantOfLive } from '../../../src/host/build/live-paths.ts';

let home: string;
let top: string;
let live: string;
beforeAll(() => {
  home = realpathSync(mkdtempSync(path.join(tmpdir(), 'live-paths-')));
  top = path.join(home, 'app');
  live = path.join(top, 'current');
  mkdirSync(path.join(top, 'releases/one'), { recursive: true });
  symlinkSync('releases/one', live);
  symlinkSync('app', path.join(home, 'www'));
});
afterAll(() => rmSync(home, { recursive: true }));

const app = (settings: Record<string, string>) => ({ name: 'web', cwd: live, env: {}, ...settings });
const moved = (settings: Record<string, string>, places = { top, live }) =>
  meantOfLive([app(settings)], places)[0];

test.each([
  ['the checkout', 'app', 'app/current'],
  ['a directory of the checkout', 'app/apps/api', 'app/current/apps/api'],
  ['a link to the checkout', 'www/apps/api', 'app/current/apps/api'],
  ['the directory of one version', 'app/releases/one/apps/api', 'app/current/apps/api'],
  ['the directory of a version that is gone', 'app/releases/none', 'app/current'],
  ['what leads to the version that runs', 'www/current/apps', 'app/current/apps'],
  ['what all versions share', 'app/shared/bin', 'app/shared/bin'],
  ['a directory whose name begins like it', 'app-2', 'app-2'],
  ['another directory', 'elsewhere', 'elsewhere'],
])('a cwd that is %s', (_, given, expected) => {
  expect(moved({ cwd: path.join(home, given) })?.cwd).toBe(path.join(home, expected));
});

test('what starts the app is moved too, and nothing else', () => {
  const settings = { script: `${top}/bin/start --fast`, exec_interpreter: `${top}/node_modules/.bin/tsx` };
  expect(moved({ ...settings, out_file: `${top}/out.log` })).toEqual(
    app({
      script: `${live}/bin/start --fast`,
      exec_interpreter: `${live}/node_modules/.bin/tsx`,
      out_file: `${top}/out.log`,
    }),
  );
  expect(moved({ script: 'dist/server.js', interpreter: '/usr/bin/node' })).toEqual(
    app({ script: 'dist/server.js', interpreter: '/usr/bin/node' }),
  );
});

test('in place the checkout is where the app runs', () => {
  expect(moved({ cwd: top }, { top, live: top })?.cwd).toBe(top);
});
