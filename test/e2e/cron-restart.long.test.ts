import { afterAll, beforeAll, expect, test } from 'vitest';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
beforeAll(async () => {
  site = await createSite(NEWEST);
});
afterAll(() => site?.stop());

/** PM2 restarts the app in so many seconds, and then once a minute. */
function restartIn(seconds: number) {
  const second = (new Date().getSeconds() + seconds) % 60;
  return { cron_restart: `${second} * * * * *`, kill_timeout: 1600, listen_timeout: 3000 };
}

test('a restart by the clock while a good version is verified is no crash', async () => {
  for (const version of ['1', '2']) {
    const run = await site.deploy({
      ref: site.commit({ version, settings: restartIn(8) }),
      canary: 'off',
      'stable-for': '12s',
      'health-timeout': '40s',
    });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    const restarts = (await site.host.instances('shop')).map((one) => one.restarts);
    // By the clock, and by the reload.
    expect(Math.min(...restarts)).toBeGreaterThanOrEqual(version === '1' ? 1 : 2);
    expect(await site.served()).toBe(version);
  }
});

test('a reload waits for a restart by the clock that would come in the middle of it', async () => {
  const ref = site.commit({ version: '3', settings: restartIn(8) });
  const run = await site.deploy({ ref, canary: 'off', 'stable-for': '1s' });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(run.stdout).toMatch(
    /PM2 is about to restart 'shop' by cron_restart\. The reload waits \d+ s for that\./,
  );
  expect(await site.served()).toBe('3');
});
