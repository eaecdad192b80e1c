import { readFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { NEWEST } from '../rig/pm2.ts';
import { createSite } from '../rig/site.ts';

test('a PM2 daemon that falls silent in verifying: the old files are back at once, and the next deploy goes well', async () => {
  await using site = await createSite(NEWEST, {
    inputs: { canary: 'off', 'stable-for': '500ms', 'health-timeout': '10s' },
  });
  const { host, live } = site;
  const first = await site.deploy({ ref: site.commit({ version: '1' }) });
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  const sum = host.checksum(live, { except: ['.git'] });

  const action = site.start({ ref: site.commit({ version: '2' }), 'stable-for': '5s' });
  await action.says(/\] verifying/);
  const daemon = Number(readFileSync(path.join(host.pm2Home, 'pm2.pid'), 'utf8'));
  process.kill(daemon, 'SIGSTOP');
  await expect.poll(action.log, { timeout: 40_000 }).toContain('The files of the old version are back');
  expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
  const run = await action.done;
  process.kill(daemon, 'SIGCONT');
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rollback-failed' } });
  expect(run.stdout).toContain('has not answered');

  const next = await site.deploy({ ref: site.commit({ version: '3' }) });
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await site.served()).toBe('3');
});
