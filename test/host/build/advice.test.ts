import { expect, test } from 'vitest';
import { adviseOn } from '../../../src/host/build/advice.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';

const good: DeployApp = {
  name: 'web',
  cwd: '/srv/web',
  script: 'dist/server.js',
  exec_mode: 'cluster',
  instances: 2,
  wait_ready: true,
  env: { PORT: '3000' },
};

test('says nothing of an app that is set up well, or of a worker that serves nobody', () => {
  expect(adviseOn(good, '')).toEqual([]);
  expect(adviseOn({ name: 'worker', cwd: '/srv/web', script: 'worker.js', env: {} }, null)).toEqual([]);
});

test.each<[string, Partial<DeployApp>, string]>([
  ['watch', { watch: true }, 'watch: false'],
  ['a list of watched files', { watch: ['src'] }, 'watch: false'],
  ['no autorestart', { autorestart: false }, 'autorestart: true'],
  ['npm', { script: 'npm', args: 'start' }, "script: 'dist/server.js'"],
  [
    'the file that npm is',
    { script: '/usr/lib/node_modules/npm/bin/npm-cli.js' },
    "script: 'dist/server.js'",
  ],
  ['fork mode', { exec_mode: 'fork', instances: 1 }, "exec_mode: 'cluster', instances: 2"],
  ['one instance', { instances: 1 }, 'instances: 2'],
  ['no wait_ready', { wait_ready: false }, 'wait_ready: true'],
])('names the line to change: %s', (_, change, line) => {
  const advice = adviseOn({ ...good, ...change } as DeployApp, null);
  expect(advice).toHaveLength(1);
  expect(advice.join('\n')).toContain(`"${line}"`);
  expect(advice[0]).toContain("'web'");
});

test.each([
  ["process.send('ready')", true],
  ['if (process.send) process.send("ready");', true],
  ['e.send?.(`ready`)', true],
  ["response.send('ready?')", false],
  ['', false],
])('knows whether the app says that it is ready: %s', (source, says) => {
  const [advice] = adviseOn({ ...good, wait_ready: false }, source);
  expect(advice?.includes('PM2 does not wait for that')).toBe(says);
});
