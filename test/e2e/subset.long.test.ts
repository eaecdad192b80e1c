import { expect, test } from 'vitest';
import { freePort } from '../rig/free-port.ts';
import { createSite } from '../rig/site.ts';

test('a deploy of some apps says which others still run the old version on the new files, until they are deployed', async () => {
  await using site = await createSite();
  const port = await freePort();
  const commit = (version: string): string =>
    site.commit({
      version,
      more: [{ name: 'api', script: './api.js', exec_mode: 'cluster', env: { PORT: port } }],
      moreFiles: {
        'api.js': `require('http').createServer((_, response) => response.end('${version}')).listen(process.env.PORT);`,
      },
    });
  const api = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/`)).text();
  const first = await site.deploy({ ref: commit('1') });
  expect(first, first.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  const pids = await site.host.pids('api');

  const sha = commit('2');
  const left = "Still on an older version, on files of the new one: 'api' (1 instance).";
  for (const outcome of ['deployed', 'unchanged']) {
    const some = await site.deploy({ ref: sha, app: 'shop' });
    expect(some, some.stdout).toMatchObject({ code: 0, outputs: { outcome, sha } });
    expect(some.stdout).toMatch(/ runs on its 2 instances, healthy/);
    expect(some.stdout).toContain(left);
    expect(some.summary).toContain('Still on an older version');
  }
  expect([await site.served(), await api()]).toEqual(['2', '1']);
  expect(await site.host.pids('api')).toEqual(pids);
  const status = await site.deploy({ mode: 'status' });
  expect(status.stdout).toContain('shop: 2 of 2 online, restarted');
  expect(status.stdout).toContain(
    'api: 1 of 1 online, 1 still on an older version than the files: reload it',
  );

  const all = await site.deploy({ ref: sha });
  expect(all, all.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
  expect(all.stdout).toMatch(/ runs on all 3 instances, healthy/);
  expect(all.stdout).not.toContain('Still on an older version');
  expect(await api()).toBe('2');
  const after = await site.deploy({ mode: 'status' });
  expect(after.stdout).not.toContain('still on an older version');
});
