import { readdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite } from '../rig/site.ts';

test('a rollback that fails says so, keeps everything, and the next deploy is the way out', async () => {
  await using site = await createSite(NEWEST, {
    inputs: { canary: 'off', 'stable-for': '500ms', 'health-timeout': '5s' },
  });
  const { host, live } = site;
  // The old version needs a file that somebody takes away from it while the new one is tried.
  const needy = site.files({ version: '1' });
  needy['src/server.js'] = `require('fs').readFileSync(__dirname + '/../needed');\n${needy['src/server.js']}`;
  const deploy = (files: Record<string, string>): Promise<ActionRun> =>
    site.deploy({ ref: site.commit({ files }) });
  const good = await deploy(site.files({ version: '0' }));
  expect(good, good.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  writeFileSync(path.join(live, 'needed'), '');
  const first = await deploy(needy);
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  const sum = host.checksum(live, { except: ['.git', 'needed'] });

  const broken = site.files({ version: '2', flaw: 'throws at boot' });
  broken['src/server.js'] =
    `require('fs').rmSync(__dirname + '/../needed', { force: true });\n${broken['src/server.js']}`;
  const failed = await deploy(broken);
  expect(failed, failed.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rollback-failed' } });
  expect(failed.stdout).toContain('Then the rollback failed, too');
  for (const [version, cause] of [
    ['new', 'version 2 cannot boot'],
    ['old', "no such file or directory, open '.*/needed'"],
  ]) {
    const title = `Last lines of the error log of 'shop', the ${version} version`;
    expect(failed.stdout).toMatch(new RegExp(`${title}:\\n(?:  .*\\n)*.*${cause}`));
    expect(failed.summary).toContain(`the ${version} version`);
  }
  expect(host.checksum(live, { except: ['.git', 'needed'] })).toBe(sum);
  expect(readdirSync(path.join(host.directory, '.shop.pm2-ssh-deploy')).length).toBeGreaterThan(0);

  const last = site.files({ version: '3' });
  const next = await deploy(last);
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(next.stdout).toContain('Its rollback had failed');
  expect(await site.served()).toBe('3');
  const again = await deploy(last);
  expect(again.stdout).not.toContain('Its rollback had failed');
});
