import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import type { FixtureOptions } from '../rig/fixture-app.ts';
import { startLoad } from '../rig/load.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite } from '../rig/site.ts';

/** One instance in fork mode, without a line of shutdown code. */
const FORK = {
  shutdown: 'none',
  settings: { exec_mode: 'fork', instances: 1, wait_ready: false },
} satisfies Partial<FixtureOptions>;

test('an app in fork mode is replaced, and rolled back, without losing a request', async () => {
  await using site = await createSite(NEWEST);
  const deploy = (version: string, inputs: Record<string, string> = {}, more: Partial<FixtureOptions> = {}) =>
    site.deploy({ ref: site.commit({ ...FORK, version, ...more }), ...inputs });
  const entries = async () => (await site.host.entries()).map(({ name, status }) => `${name} ${status}`);

  const first = await deploy('v1');
  expect(first.outputs.outcome, first.stdout).toBe('deployed');
  const [before] = await site.host.entries();
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 8, fresh: 6 });
  await load.sees('v1', 10_000);

  for (const version of ['v2', 'v3']) {
    const run = await deploy(version, { 'health-url': '/health' });
    expect(run.outputs, run.stdout).toMatchObject({ outcome: 'deployed', 'failed-requests': '0' });
    await load.sees(version, 5_000);
    expect(await entries()).toEqual(['shop online']);
  }
  const [after] = await site.host.entries();
  for (const same of ['pm_out_log_path', 'pm_err_log_path', 'NODE_APP_INSTANCE', 'node_args', 'exec_mode'])
    expect([same, after?.[same]]).toEqual([same, before?.[same]]);
  expect(after?.restart_time).toBe(2);

  const broken = await deploy('v4', {}, { flaw: 'throws at boot' });
  expect(broken.outputs.outcome, broken.stdout).toBe('failed');
  const uncanaried = await deploy('v5', { canary: 'off' }, { flaw: 'throws at boot' });
  expect(uncanaried.outputs.outcome, uncanaried.stdout).toBe('rolled-back');
  const turned = await deploy(
    'v6',
    { canary: 'off', 'health-url': '/health', 'stable-for': '7s' },
    { flaw: 'turns bad after 5 s' },
  );
  expect(turned.outputs.outcome, turned.stdout).toBe('rolled-back');
  expect(await entries()).toEqual(['shop online']);
  expect(await site.served()).toBe('v3');
  const { failures, sent, versions } = await load.stop();
  expect(failures).toEqual({});
  expect(Object.keys(versions)).toEqual(['v1', 'v2', 'v3', 'v6']);
  expect(sent).toBeGreaterThan(3_000);
});

/** An old instance that does not get the processor for a moment: after its last look for connections, before it closes the port. */
const STANDS_STILL = `const { Server } = require('net');
const { listen } = Server.prototype;
Server.prototype.listen = function (...args) {
  this.once('listening', () => {
    const handle = this._handle;
    const { close } = handle;
    handle.close = function (...done) {
      const until = Date.now() + 200;
      while (Date.now() < until);
      console.log('stood still');
      return close.apply(this, done);
    };
  });
  return listen.apply(this, args);
};
`;

// The kernel asks nobody but root, and without root these connections are reset: so this test fails without root.
test('connections that arrive while the old instance closes its port are handed on to the new one', async () => {
  await using site = await createSite(NEWEST, { inputs: { canary: 'off', 'stable-for': '500ms' } });
  const deploy = (version: string) =>
    site.deploy({
      ref: site.commit({
        ...FORK,
        version,
        settings: { ...FORK.settings, node_args: '--require ./stands-still.cjs' },
        moreFiles: { 'stands-still.cjs': STANDS_STILL },
      }),
    });
  expect((await deploy('v1')).outputs.outcome).toBe('deployed');
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 2, fresh: 6 });
  await load.sees('v1', 10_000);
  const run = await deploy('v2');
  expect(run.outputs.outcome, run.stdout).toBe('deployed');
  expect((await load.stop()).failures).toEqual({});
  const [{ pm_out_log_path: printed } = {}] = await site.host.entries();
  expect(readFileSync(String(printed), 'utf8')).toContain('stood still');
});
