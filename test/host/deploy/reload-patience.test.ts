import { expect, test } from 'vitest';
import { withPatience } from '../../../src/host/deploy/reload-patience.ts';
import type { DeployApp } from '../../../src/host/pm2/app-config.ts';

const app = (settings: Record<string, unknown> = {}): DeployApp =>
  ({
    name: 'web',
    script: 's.js',
    cwd: '/',
    env: {},
    exec_mode: 'cluster',
    instances: 2,
    ...settings,
  }) as DeployApp;
const boot = (listenMs: number | null, readyMs: number | null = null) => [
  { name: 'web', listenMs, readyMs, byChance: [] },
];

test.each<[string, DeployApp, ReturnType<typeof boot>, number | undefined, RegExp | null]>([
  ['boots in time', app(), boot(1_000), undefined, null],
  ['boots in two thirds of its time', app({ listen_timeout: 3_000 }), boot(2_000), 3_000, null],
  [
    'boots too long for the default',
    app(),
    boot(2_100),
    5_000,
    /took 2\.1 s to boot.* after 3\.0 s .*"listen_timeout: 5000"/,
  ],
  [
    'boots too long for what it has',
    app({ listen_timeout: 5_000 }),
    boot(8_000),
    16_000,
    /"listen_timeout: 16000"/,
  ],
  ['gets ready too late', app({ wait_ready: true }), boot(500, 4_000), 8_000, /took 4\.0 s/],
  ['listens late, but PM2 waits for its ready', app({ wait_ready: true }), boot(4_000, 500), undefined, null],
  ['never says ready', app({ wait_ready: true }), boot(500), undefined, /sent no 'ready'.*wait_ready: false/],
  ['says ready, but PM2 does not wait', app(), boot(500, 600), undefined, /set "wait_ready: true"/],
  ['is in fork mode', app({ exec_mode: 'fork' }), boot(9_000), undefined, null],
  ['never listened, a worker', app(), boot(null), undefined, null],
])('an app that %s', (_, given, boots, timeout, words) => {
  const { config, advice } = withPatience([given], boots);
  expect(config[0]?.listen_timeout).toBe(timeout);
  if (words === null) expect(advice).toEqual([]);
  else expect(advice).toMatchObject([expect.stringMatching(words)]);
});

test('an app without a canary stays as it is', () => {
  expect(withPatience([app()], [])).toEqual({ config: [app()], advice: [] });
});
