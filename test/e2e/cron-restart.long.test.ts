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
