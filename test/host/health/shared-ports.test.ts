import { expect, test } from 'vitest';
import { sharedPorts } from '../../../src/host/health/shared-ports.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';
import type { Instance } from '../../../src/host/pm2/list.ts';

const app = (name: string, change: Partial<DeployApp> = {}): DeployApp =>
  ({
    name,
    cwd: '/srv',
    script: 'server.js',
    exec_mode: 'cluster',
    env: { PORT: '4000' },
    ...change,
  }) as DeployApp;
const runs = (name: string, change: Partial<Instance> = {}): Instance =>
  ({
    name,
    execMode: 'cluster',
    status: 'online',
    module: false,
    env: { PORT: '4000' },
    ...change,
  }) as Instance;

test('two apps of one script and one port are refused, unless they shared it before', () => {
  const config = [app('dev'), app('stg')];
  expect(sharedPorts(config, null, [])).toEqual({
    refused: [expect.stringMatching(/^'dev' and 'stg' both have PORT 4000, and in cluster mode/)],
    warned: [],
  });
  const before = sharedPorts(config, null, [runs('dev'), runs('stg')]);
  expect(before).toEqual({ refused: [], warned: [expect.stringContaining("'dev' and 'stg'")] });
  // A stopped app answers nobody, until the deploy starts it.
  const stopped = sharedPorts(config, null, [runs('dev'), runs('stg', { status: 'stopped' })]);
  expect(stopped).toMatchObject({ refused: [expect.stringContaining("'dev' and 'stg'")], warned: [] });
});

test('a worker that shares the environment of the web app is only warned of', () => {
  const { refused, warned } = sharedPorts([app('web'), app('worker', { script: 'worker.js' })], null, []);
  expect([refused.length, warned.length]).toEqual([0, 1]);
});

test('another app of this PM2 on the same port is warned of', () => {
  const all = [runs('prod'), runs('prod'), runs('stopped', { status: 'stopped' }), runs('dev')];
  const { refused, warned } = sharedPorts([app('dev')], null, all);
  expect(refused).toEqual([]);
  expect(warned).toEqual([expect.stringMatching(/^'prod', which this PM2 runs too, has PORT 4000/)]);
});

test('fork mode, ports of their own, and the ports of --env are told apart', () => {
  const fork = { exec_mode: 'fork' };
  const none = { refused: [], warned: [] };
  expect(sharedPorts([app('a', fork), app('b', fork)], null, [])).toEqual(none);
  expect(
    sharedPorts([app('a'), app('b', { env: { PORT: '4001' } })], null, [runs('c', { execMode: 'fork' })]),
  ).toEqual(none);
  expect(sharedPorts([app('a'), app('b', { env_stg: { PORT: '4001' } })], 'stg', [])).toEqual(none);
});
