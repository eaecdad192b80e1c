import { expect, test } from 'vitest';
import { refuseLauncherInCluster } from '../../../src/host/deploy/impossible.ts';
import type { KnownOfApp } from '../../../src/host/deploy/known-of-app.ts';
import type { AppConfig } from '../../../src/host/pm2/app-config.ts';

const scripts = { start: 'node dist/server.js' };
const refuse =
  (settings: AppConfig, known: Partial<KnownOfApp> = {}) =>
  () =>
    refuseLauncherInCluster({ name: 'web', ...settings }, { runs: true, serves: true, scripts, ...known });

test.each<[string, AppConfig]>([
  ['npm, by exec_mode', { script: 'npm', args: 'start', exec_mode: 'cluster' }],
  ['npm, by instances', { script: 'npm', args: 'run start', instances: 2 }],
  ['tsx', { script: 'node_modules/.bin/tsx', args: 'src/a.ts', exec_mode: 'cluster', instances: 'max' }],
  ['a command line', { script: 'node dist/server.js', exec_mode: 'cluster' }],
])('%s', (_, settings) => {
  expect(refuse(settings)).toThrow(
    expect.objectContaining({
      message: expect.stringContaining("'web' cannot run in cluster mode, because its script is"),
      remedy: expect.stringMatching(
        /"script: 'dist\/server.js', exec_mode: 'cluster', instances: 2".*"exec_mode: 'fork', instances: 1"/,
      ),
    }),
  );
});

test.each<[string, AppConfig]>([
  ['npm in fork mode', { script: 'npm', args: 'start', exec_mode: 'fork' }],
  ['npm, with nothing said of the mode', { script: 'npm', args: 'start' }],
  ['a file', { script: 'dist/server.js', exec_mode: 'cluster', instances: 2 }],
])('%s is fine', (_, settings) => {
  expect(refuse(settings)).not.toThrow();
});

test('an app without a port can have a launcher; of a first start with two instances that is not known', () => {
  const one = { script: 'npm', args: 'start', instances: 1 };
  expect(refuse(one, { serves: false })).not.toThrow();
  expect(refuse(one, { serves: false, runs: false })).not.toThrow();
  expect(refuse({ ...one, instances: 2 }, { serves: false })).not.toThrow();
  expect(refuse({ ...one, instances: 2 }, { serves: false, runs: false })).toThrow();
});
