import { expect, test } from 'vitest';
import { adviseOn } from '../../src/host/advice.ts';
import type { DeployApp } from '../../src/host/app-config.ts';

const good: DeployApp = {
  name: 'web',
  cwd: '/srv/web',
  script: 'dist/server.js',
  exec_mode: 'cluster',
  instances: 2,
  env: { PORT: '3000' },
};

test('says nothing of an app that is set up well, or of a worker that serves nobody', () => {
  expect(adviseOn(good)).toEqual([]);
  expect(adviseOn({ name: 'worker', cwd: '/srv/web', script: 'worker.js', env: {} })).toEqual([]);
});

test.each<[string, Partial<DeployApp>, string]>([
  ['watch', { watch: true }, 'watch: false'],
  ['a list of watched files', { watch: ['src'] }, 'watch: false'],
  ['no autorestart', { autorestart: false }, 'autorestart: true'],
  ['npm', { script: 'npm', args: 'start' }, "script: 'dist/server.js'"],
  ['fork mode', { exec_mode: 'fork', instances: 1 }, "exec_mode: 'cluster', instances: 2"],
  ['one instance', { instances: 1 }, 'instances: 2'],
])('names the line to change: %s', (_, change, line) => {
  const advice = adviseOn({ ...good, ...change } as DeployApp);
  expect(advice.join('\n')).toContain(`"${line}"`);
  expect(advice[0]).toContain("'web'");
});
