import { expect, test } from 'vitest';
import { INSTANCES } from '../rig/fixture-app.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite } from '../rig/site.ts';

test('an app that left the ecosystem file and still runs is refused: it would go on serving the old version', async () => {
  await using site = await createSite(NEWEST, { inputs: { canary: 'off', 'stable-for': '500ms' } });
  const { host } = site;
  const commit = (version: string, name: string): string => site.commit({ version, name });
  const first = await site.deploy({ ref: commit('1', 'shop') });
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  const renamed = { ref: commit('2', 'store') };
  const refused = await site.deploy(renamed);
  expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(refused.stdout).toContain("no longer has 'shop'");
  expect(await host.instances('store')).toEqual([]);
  await host.pm2(['delete', 'shop']);
  const done = await site.deploy(renamed);
  expect(done, done.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });

  // Back to the version that has 'shop' and not 'store': nobody has to log in for that.
  const back = await site.deploy({ mode: 'rollback' });
  expect(back, back.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: first.outputs.sha } });
  expect(await host.instances('shop')).toHaveLength(INSTANCES);
  expect(await host.instances('store')).toEqual([]);
});
