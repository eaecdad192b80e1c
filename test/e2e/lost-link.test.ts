import { expect, test } from 'vitest';
import { startRelay, throughRelay } from '../rig/relay.ts';
import { createSite } from '../rig/site.ts';

test('a deploy whose link is cut in staged, activating and verifying ends as if it never had been', async () => {
  await using site = await createSite();
  await using relay = await startRelay(site.host.ssh.port);
  const ref = site.commit({ version: '1' });
  const action = site.start({
    ...throughRelay(relay, site.host.access),
    ref,
    'build-command': 'sleep 1; node build.js',
    'stable-for': '3s',
    canary: 'off',
  });
  for (const state of ['staged', 'activating', 'verifying']) {
    await action.says(new RegExp(`\\] ${state}`));
    relay.cut();
  }
  const run = await action.done;
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: ref } });
  // On a slow machine two of the states may pass while it connects.
  expect(run.stdout.match(/was lost .* Connecting again/g)?.length).toBeGreaterThanOrEqual(2);
  const states = [...run.stdout.matchAll(/^\[.*\] (\w+) {2,}(?! |ok|FAILED)/gm)].map(([, state]) => state);
  expect(states).toEqual([
    'preflight',
    'locked',
    'fetched',
    'staged',
    'prepared',
    'activating',
    'verifying',
    'committed',
  ]);
  expect(run.exported.state).toMatchObject({ settled: 'true' });
  expect(await site.served()).toBe('1');
});
