import { expect, test } from 'vitest';
import { adviseOn } from '../../../src/host/build/advice.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';

const good: DeployApp = {
  name: 'web',
  cwd: '/srv/web',
  script: 'dist/server.js',
  exec_mode: 'cluster',
  instances: 2,
  env: {},
};
const scripts = { start: 'node dist/server.js', next: 'next start', dev: 'tsx src/a.ts' };
const known = { serves: true, sharesPort: false, scripts };
const CLUSTER = "exec_mode: 'cluster', instances: 2";

test('says nothing of an app that is set up well, or of a worker that serves nobody', () => {
  expect(adviseOn(good, known)).toEqual([]);
  const worker = { name: 'worker', cwd: '/srv/web', script: 'npm', args: 'start', env: {} };
  expect(adviseOn(worker, { ...known, serves: false })).toEqual([]);
});

test('has no cluster mode to offer where Node runs nothing', () => {
  for (const settings of [
    { script: 'app.py' },
    { script: 'server.js', interpreter: 'deno' },
    { script: 'run.sh' },
  ])
    expect(adviseOn({ ...good, exec_mode: 'fork', instances: 1, ...settings }, known)).toEqual([]);
});

test.each<[string, Partial<DeployApp>, string]>([
  ['watch', { watch: true }, 'set "watch: false"'],
  ['a list of watched files', { watch: ['src'] }, 'set "watch: false"'],
  ['no autorestart', { autorestart: false }, 'set "autorestart: true"'],
  ['one instance', { instances: 1 }, 'set "instances: 2"'],
  ['fork mode', { exec_mode: 'fork', instances: 1 }, `set "${CLUSTER}"`],
  [
    'npm, never with the mode alone',
    { script: 'npm', args: 'start', exec_mode: 'fork' },
    `set "script: 'dist/server.js', ${CLUSTER}"`,
  ],
  [
    'Next.js behind npm',
    { script: 'npm', args: 'run next', exec_mode: 'fork' },
    `set "script: 'node_modules/next/dist/bin/next', args: 'start', ${CLUSTER}"`,
  ],
  ['npm in cluster mode', { script: 'npm', args: 'start' }, 'works for an app without a port only'],
  ['tsx behind npm', { script: 'npm', args: 'run dev', exec_mode: 'fork' }, 'have the build compile'],
  ['tsx', { script: 'node_modules/.bin/tsx', args: 'a.ts', exec_mode: 'fork' }, 'have the build compile'],
  [
    'tsx, as interpreter',
    { script: 'a.ts', interpreter: './node_modules/.bin/tsx', exec_mode: 'fork' },
    'have the build compile',
  ],
  [
    'tsx, as an argument of Node',
    { script: 'a.ts', node_args: '--import=tsx', exec_mode: 'fork' },
    'have the build compile',
  ],
])('names the line to change: %s', (_, change, line) => {
  const advice = adviseOn({ ...good, ...change } as DeployApp, known);
  expect(advice).toHaveLength(1);
  expect(advice[0]).toContain(line);
  expect(advice[0]).toContain("'web'");
});

test('has nothing to say of fork mode where an instance hands its port over', () => {
  expect(adviseOn({ ...good, exec_mode: 'fork', instances: 1 }, { ...known, sharesPort: true })).toEqual([]);
});
