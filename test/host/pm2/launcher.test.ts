import { expect, test } from 'vitest';
import { launcherIn } from '../../../src/host/pm2/launcher.ts';

test.each([
  ['npm', 'npm'],
  ['/usr/bin/npm', 'npm'],
  ['/usr/lib/node_modules/npm/bin/npm-cli.js', 'npm'],
  ['/opt/yarn/bin/yarn.js', 'yarn'],
  ['pnpm.cjs', 'pnpm'],
  ['./node_modules/.bin/tsx', 'tsx'],
  ['/srv/shop/node_modules/tsx/dist/cli.mjs', 'tsx'],
  ['/srv/shop/node_modules/.pnpm/node_modules/nodemon/bin/nodemon.js', 'nodemon'],
  ['cross-env', 'cross-env'],
  ['server.js', null],
  ['/srv/npm/server.js', null],
  ['/srv/tsx/main.ts', null],
  ['node_modules/next/dist/bin/next', null],
  ['dist/npm.ts', null],
  ['', null],
])('%s starts the app as another process: %s', (script, launcher) => {
  expect(launcherIn(script)).toBe(launcher);
});
