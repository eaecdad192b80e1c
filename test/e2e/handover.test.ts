import { expect, test } from 'vitest';
import { startLoad } from '../rig/load.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite } from '../rig/site.ts';

/** One instance in fork mode, without a line of shutdown code, and another app that PM2 reloads before. */
const FORK = {
  shutdown: 'none',
  settings: { exec_mode: 'fork', instances: 1, wait_ready: false },
  more: [{ name: 'beside', script: './beside.js', exec_mode: 'cluster', instances: 1, listen_timeout: 500 }],
  moreFiles: { 'beside.js': 'setInterval(() => {}, 1000);\n' },
} as const;

test('in fork mode a new version takes over, a broken one does not, and no request is lost', async () => {
  await using site = await createSite(NEWEST, { inputs: { canary: 'off' } });
  const first = await site.deploy({ ref: site.commit({ ...FORK, version: 'v1' }) });
  expect(first.outputs.outcome, first.stdout).toBe('deployed');
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 8, fresh: 6 });
  await load.sees('v1', 10_000);

  const run = await site.deploy({ ref: site.commit({ ...FORK, version: 'v2' }), 'health-url': '/health' });
  expect(run.outputs, run.stdout).toMatchObject({ outcome: 'deployed', 'failed-requests': '0' });
  expect(run.stdout).toContain('a second instance');
  const broken = await site.deploy({
    ref: site.commit({ ...FORK, version: 'v3', flaw: 'throws at boot' }),
  });
  expect(broken.outputs.outcome, broken.stdout).toBe('rolled-back');

  const { failures, versions } = await load.stop();
  expect(failures).toEqual({});
  expect(Object.keys(versions)).toEqual(['v1', 'v2']);
  expect((await site.host.entries()).map(({ name, status }) => `${name} ${status}`).sort()).toEqual([
    'beside online',
    'shop online',
  ]);
}, 120_000);
