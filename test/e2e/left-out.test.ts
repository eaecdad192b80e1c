import { expect, test } from 'vitest';
import { runAction } from '../rig/action.ts';
import { fixtureApp, INSTANCES } from '../rig/fixture-app.ts';
import { freePort } from '../rig/free-port.ts';
import { createHost } from '../rig/host.ts';
import { createRepository } from '../rig/repository.ts';

test('an app that left the ecosystem file and still runs is refused: it would go on serving the old version', async () => {
  await using host = await createHost();
  const repository = createRepository();
  const port = await freePort();
  const deploy = (given: Record<string, string>): ReturnType<typeof runAction> =>
    runAction({
      inputs: {
        ...host.access,
        path: 'shop',
        repository: repository.url,
        'install-command': 'none',
        'build-command': 'node build.js',
        'stable-for': '500ms',
        ...given,
        canary: 'off',
      },
    });
  const first = await deploy({ ref: repository.commit(fixtureApp({ version: '1', port, name: 'shop' })) });
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  const renamed = { ref: repository.commit(fixtureApp({ version: '2', port, name: 'store' })) };
  const refused = await deploy(renamed);
  expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(refused.stdout).toContain("no longer has 'shop'");
  expect(await host.instances('store')).toEqual([]);
  await host.pm2(['delete', 'shop']);
  const done = await deploy(renamed);
  expect(done, done.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });

  // Back to the version that has 'shop' and not 'store': nobody has to log in for that.
  const back = await deploy({ mode: 'rollback' });
  expect(back, back.stdout).toMatchObject({ outputs: { outcome: 'deployed', sha: first.outputs.sha } });
  expect(await host.instances('shop')).toHaveLength(INSTANCES);
  expect(await host.instances('store')).toEqual([]);
  repository.remove();
});
