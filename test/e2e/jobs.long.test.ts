import { afterAll, beforeAll, expect, test } from 'vitest';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** One site lives through a row of deploys: a web app beside a job that ends by itself, started by PM2's clock. */
let site: Site;
beforeAll(async () => {
  site = await createSite(NEWEST);
});
afterAll(async () => {
  await site?.stop();
});

const job = { name: 'nightly', script: 'nightly.js', autorestart: false, cron_restart: '*/2 * * * * *' };
const commit = (version: string, code = 0): string =>
  site.commit({
    version,
    more: [job],
    moreFiles: {
      'nightly.js': `console.error('job of ${version}'); setTimeout(() => process.exit(${code}), 200);`,
    },
  });
const deploy = (ref: string): ReturnType<Site['deploy']> =>
  site.deploy({ ref, canary: 'off', 'stable-for': '3s' });

test('an app that ends by itself is deployed, replaced, and found unchanged', async () => {
  for (const version of ['1', '2']) {
    const run = await deploy(commit(version));
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(await site.served()).toBe(version);
    expect(run.stdout).not.toContain('autorestart: true');
  }
  const again = await deploy('main');
  expect(again, again.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
});

test('one that fails is rolled back with its own words and exit code, and the old one counts as healthy', async () => {
  const run = await deploy(commit('3', 7));
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expect(run.stdout).toMatch(/'nightly' \(pm2 id \d+\) ended with exit code 7/);
  expect(run.stdout).toContain("Last lines of the error log of 'nightly', the new version:");
  expect(run.stdout).toContain('job of 3');
  expect(await site.served()).toBe('2');
});

test('status calls it healthy, and counts no restart that a deploy made', async () => {
  await expect
    .poll(async () => (await site.deploy({ mode: 'status' })).stdout, { interval: 100 })
    .toMatch(/nightly: 0 of 1 online, 1 ended well \(a job\)/);
  const status = await site.deploy({ mode: 'status' });
  expect(status.stdout).toContain('shop: 2 of 2 online, restarted 0 times since the last deploy');
  expect(status.stdout).toMatch(/Health +healthy/);
});
