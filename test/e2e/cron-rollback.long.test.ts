import { expect, test } from 'vitest';
import { createSite } from '../rig/site.ts';

/** PM2's clock restarts the app every 4 s. One instance needs 2.2 s to boot, so that a reload of two lasts longer than that. */
const settings = { cron_restart: '*/4 * * * * *', kill_timeout: 500, listen_timeout: 4000 };
const BOOTS_IN = 2_200;

test('a restart by the clock while the old version comes back is no failure of the rollback', async () => {
  await using site = await createSite();
  const files = site.files({ version: '1', settings });
  files['src/server.js'] = (files['src/server.js'] ?? '').replace(
    /^server\.listen\(.*$/m,
    (line) => `setTimeout(() => { ${line} }, ${BOOTS_IN});`,
  );
  const inputs = { canary: 'off', 'stable-for': '500ms', 'health-timeout': '60s' };
  const first = await site.deploy({ ref: site.repository.commit(files), ...inputs });
  expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });

  const broken = site.commit({ version: '2', flaw: 'throws at boot', settings });
  for (const round of ['once', 'again']) {
    const began = performance.now();
    const run = await site.deploy({ ref: broken, ...inputs });
    expect(run, `${round}\n${run.stdout}`).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
    expect(performance.now() - began).toBeGreaterThan(2 * BOOTS_IN);
    await expect.poll(() => site.served().catch(String), { timeout: 10_000 }).toBe('1');
  }
});
