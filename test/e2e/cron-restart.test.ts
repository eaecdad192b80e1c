import { afterAll, beforeAll, expect, test } from 'vitest';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** PM2 restarts the app every other second, whatever a deploy is doing. */
const settings = { cron_restart: '*/2 * * * * *', kill_timeout: 500, listen_timeout: 3000 };
let site: Site;
beforeAll(async () => {
  site = await createSite(NEWEST);
});
afterAll(async () => {
  await site?.stop();
});

const deploy = (ref: string): ReturnType<Site['deploy']> =>
  site.deploy({ ref, canary: 'off', 'stable-for': '4s', 'health-timeout': '30s' });

test('a restart by the clock is no crash of a good version', async () => {
  for (const version of ['1', '2', '3']) {
    const run = await deploy(site.commit({ version, settings }));
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  }
});

test('a version that crashes is still rolled back, and the old one found healthy', async () => {
  const run = await deploy(site.commit({ version: '4', flaw: 'throws at boot', settings }));
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expect(run.stdout).toContain('version 4 cannot boot');
  await expect.poll(() => site.served().catch(String), { timeout: 10_000 }).toBe('3');
});
