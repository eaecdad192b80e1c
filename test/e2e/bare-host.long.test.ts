import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { trustCertificates } from '../rig/certificates.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import { createHost } from '../rig/host.ts';
import { killAllOf } from '../rig/leftovers.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite } from '../rig/site.ts';

test('a host with Node and nothing else: the first deploy installs PM2, and a reboot brings back what was committed', async () => {
  await using host = await createHost({ bare: true });
  await using site = await createSite(host, { app: UNVISITED });
  trustCertificates(site.host.directory);
  const first = site.commit({ version: '1' });
  const packages = path.join(host.directory, 'lib/node_modules');

  const without = await site.deploy({ ref: first });
  expect(without, without.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(without.stdout).toContain('PM2 was not found on this host.');
  expect(without.stdout).toContain('set `pm2-version` to have the deploy install it');

  const check = await site.deploy({ ref: first, mode: 'check', 'pm2-version': '7' });
  expect(check, check.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  expect(check.stdout).toContain('PM2 7 (not there yet: the first deploy installs it with npm)');

  const none = await site.deploy({ ref: first, 'pm2-version': '7.999' });
  expect(none, none.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(none.stdout).toContain("npm's registry has no PM2 7.999 (pm2-version).");
  expect(existsSync(packages) ? readdirSync(packages) : []).not.toContain('pm2');
  expect(existsSync(site.live)).toBe(false);

  const one = await site.deploy({ ref: first, 'pm2-version': NEWEST.pm2Version });
  expect(one, one.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: first } });
  expect(one.stdout).toContain(`Installed PM2 ${NEWEST.pm2Version} in ${host.directory}.`);
  expect(one.stdout).toMatch(
    /Run this once on the server: .*env PATH=\$PATH:\S+ \S+\/pm2\/bin\/pm2 startup -u \S+ --hp \S+/,
  );
  expect(one.stdout).toContain(
    "Nothing rotates PM2's logs. Run this once on the server: pm2 install pm2-logrotate",
  );
  expect(await site.served()).toBe('1');

  const other = await site.deploy({ ref: first, 'pm2-version': '6' });
  expect(other, other.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: first } });
  expect(other.stdout).toContain(`This host has PM2 ${NEWEST.pm2Version}`);
  expect(other.stdout).toContain('A deploy does not replace PM2');

  const second = site.commit({ version: '2' });
  const two = await site.deploy({ ref: second, 'pm2-version': '7' });
  expect(two, two.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: second } });
  expect(two.stdout).not.toContain('Run this once on the server');

  const broken = await site.deploy({
    ref: site.commit({ version: '3', flaw: 'throws at boot' }),
    canary: 'off',
  });
  expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: second } });

  // As a reboot ends them, and as the service that `pm2 startup` makes brings them back.
  await killAllOf(host.directory);
  await expect(site.served()).rejects.toThrow();
  await host.pm2(['resurrect']);
  await expect.poll(() => site.served().catch(() => '')).toBe('2');
});
