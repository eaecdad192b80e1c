import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
beforeAll(async () => {
  site = await createSite(NEWEST);
});
afterAll(() => site?.stop());

/** PM2 restarts this version 12 s after its build, however long it takes until then, and from there on once a minute. */
function commit(version: string, listenTimeout = 3000): string {
  const settings = { cron_restart: 'CLOCK', kill_timeout: 1600, listen_timeout: listenTimeout };
  const files = site.files({ version, settings });
  files['ecosystem.config.js'] = (files['ecosystem.config.js'] ?? '').replace(
    '"CLOCK"',
    "require('./dist/clock.json')",
  );
  files['build.js'] += `const second = (new Date().getSeconds() + 12) % 60;
fs.writeFileSync('dist/clock.json', JSON.stringify(second + ' * * * * *'));
`;
  return site.commit({ files });
}

test('a restart by the clock while a good version is verified is no crash', async () => {
  for (const version of ['1', '2']) {
    const run = await site.deploy({
      ref: commit(version),
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
  // PM2 may take 13 s for it, by its timeouts.
  const ref = commit('3', 5000);
  const run = await site.deploy({ ref, canary: 'off', 'stable-for': '1s' });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(run.stdout).toMatch(
    /PM2 is about to restart 'shop' by cron_restart\. The reload waits \d+ s for that\./,
  );
  expect(await site.served()).toBe('3');
});

test('a restart by the clock just before a failed deploy, or in its rollback, does not fail or hide it', async () => {
  await using other = await createSite(NEWEST, { inputs: { canary: 'off', 'stable-for': '500ms' } });
  const { host } = other;
  const bootsIn = 2_000;
  const begin = Math.ceil(Date.now() / 1000);
  /** Seconds from `begin` on in which PM2 restarts the old version. */
  const [first, second] = [11, 40];
  const secondOf = (at: number): number => (begin + at) % 60;
  const until = (at: number): Promise<void> => sleep((begin + at) * 1000 - Date.now());
  const version = (name: string, from: RegExp, to: (line: string) => string, cron?: string): string => {
    const settings = { kill_timeout: 300, listen_timeout: 2_500, ...(cron && { cron_restart: cron }) };
    const files = other.files({ version: name, drain: 0, settings });
    files['src/server.js'] = (files['src/server.js'] ?? '').replace(from, to);
    return other.repository.commit(files);
  };
  const clock = `${secondOf(first)},${secondOf(second)} * * * * *`;
  const slow = (line: string): string => `setTimeout(() => { ${line} }, ${bootsIn});`;
  const old = await other.deploy({ ref: version('1', /^server\.listen\(.*$/m, slow, clock) });
  expect(old, old.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });

  // The whole app is down for a moment when the deploy looks at what has to come back.
  await until(first + 0.3);
  const throws = version('2', /^/, () => "throw new Error('version 2 cannot boot');\n");
  const broken = await other.deploy({ ref: throws });
  const rolledBack = { code: 1, outputs: { outcome: 'rolled-back' } };
  expect(broken, broken.stdout).toMatchObject(rolledBack);
  expect(await other.served()).toBe('1');
  expect((await host.instances('shop')).map(({ status }) => status)).toEqual(['online', 'online']);

  const crash = path.join(host.directory, 'crash');
  const watches = `setInterval(() => { if (require('fs').existsSync('${crash}')) process.exit(1); }, 50);\n`;
  const dies = other.start({
    ref: version('3', /^/, () => watches),
    'stable-for': '60s',
    'health-timeout': '90s',
  });
  await dies.says(/ verifying /);
  const now = Date.now() / 1000 - begin;
  const minute = Math.floor(now / 60) * 60;
  const ticks = [first, second, first + 60, second + 60].map((at) => minute + at);
  const tick = ticks.find((at) => at - now > 3) ?? 0;
  await until(tick - 2);
  writeFileSync(crash, '');
  await dies.says(/ rolling-back /);
  const rollbackBegan = Date.now();
  const run = await dies.done;
  expect(run, run.stdout).toMatchObject(rolledBack);
  expect(await other.served()).toBe('1');
  expect(rollbackBegan, run.stdout).toBeLessThan((begin + tick) * 1000);
  expect(Date.now(), run.stdout).toBeGreaterThan((begin + tick) * 1000);
});
