import { expect, test } from 'vitest';
import { createSite } from '../rig/site.ts';

test('a page that answers 500 is warned of without a health-url, and two environments on one port are refused', async () => {
  await using site = await createSite();
  const ref = (options: Parameters<typeof site.commit>[0]): Record<string, string> => ({
    ref: site.commit(options),
  });
  const first = await site.deploy(ref({ version: '1' }));
  expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(first.stdout).toContain('without `health-url` nobody asked for a page');

  const files = site.files({ version: '2' });
  files['src/server.js'] = (files['src/server.js'] ?? '').replace('statusCode = 404', 'statusCode = 500');
  const bad = await site.deploy(ref({ files }));
  expect(bad, bad.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(bad.stdout).toMatch(/::warning .*'shop \(canary\)': http:\/\/localhost:\d+\/ answers/);

  const pids = await site.host.pids('shop');
  const twin = {
    name: 'stg',
    script: './dist/server.js',
    exec_mode: 'cluster',
    env: { PORT: String(site.port) },
  };
  const both = await site.deploy(ref({ version: '3', more: [twin] }));
  expect(both, both.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(both.stdout).toContain(`'shop' and 'stg' both have PORT ${site.port}`);
  expect(await site.host.pids('shop')).toEqual(pids);
});
