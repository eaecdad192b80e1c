import http from 'node:http';
import { expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import { type LoadResult, startLoad } from '../rig/load.ts';
import { createSite, type Site } from '../rig/site.ts';

/** What a deploy shows for it, and what its visitors saw while it went live, one of whom holds an event stream open. */
async function deployUnderLoad(
  site: Site,
  ref: string,
  from: string,
  to: string,
): Promise<{ run: ActionRun; load: LoadResult }> {
  const url = `http://127.0.0.1:${site.port}`;
  const visitors = startLoad({ url: `${url}/version`, connections: 4, fresh: 2 });
  await visitors.sees(from, 10_000);
  const stream = http.get(`${url}/events`, (response) => response.on('error', () => {}).resume());
  stream.on('error', () => {});
  await new Promise((resolve) => stream.once('response', resolve));
  const run = await site.deploy({ ref, drain: 'off' });
  await visitors.sees(to, 10_000);
  stream.destroy();
  return { run, load: await visitors.stop() };
}

test('an app with a stream that never ends is killed, and is not once it closes its connections on SIGINT', async () => {
  await using site = await createSite();
  const commit = (version: string, closes: boolean): string => {
    const files = site.files({ version });
    const server = (files['src/server.js'] ?? '').replace(
      "if (request.url === '/version')",
      "if (request.url === '/events') return response.write('data: x\\n\\n');\n  $&",
    );
    files['src/server.js'] = closes
      ? server.replace('server.closeIdleConnections?.()', 'server.closeAllConnections()')
      : server;
    return site.repository.commit(files);
  };
  const first = await site.deploy({ ref: commit('1', false), drain: 'off' });
  expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });

  const killed = await deployUnderLoad(site, commit('2', true), '1', '2');
  expect(killed.run, killed.run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(killed.run.stdout).toContain('on SIGINT close the server and all');

  const taken = await deployUnderLoad(site, commit('3', true), '2', '3');
  expect(taken.run, taken.run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(taken.run.stdout).not.toMatch(/::warning/);
  console.log('killed:', JSON.stringify(killed.load), 'taken:', JSON.stringify(taken.load));
  // Without our drain, a request that comes as an instance closes its connections is cut: one of each instance at most.
  expect(taken.load.failed).toBeLessThanOrEqual(2);
});

test.each([
  ['set "wait_ready: true"', { wait_ready: false }, undefined, { wait_ready: true }, undefined],
  [
    'set "wait_ready: false"',
    { wait_ready: true },
    'never sends ready',
    { wait_ready: false },
    'never sends ready',
  ],
  ["Call process.send('ready')", { wait_ready: true }, 'never sends ready', { wait_ready: true }, undefined],
] as const)(
  'whoever takes the advice %s gets a green deploy, and no further advice',
  async (advice, before, flaw, after, then) => {
    await using site = await createSite();
    const commit = (
      version: string,
      settings: { wait_ready: boolean },
      wrong?: 'never sends ready',
    ): string =>
      site.commit({
        ...UNVISITED,
        version,
        settings: { ...UNVISITED.settings, ...settings },
        ...(wrong === undefined ? {} : { flaw: wrong }),
      });
    // The canary alone sees whether an app sends `ready`, and there is none on a first start.
    const first = await site.deploy({ ref: commit('1', before, flaw) });
    expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    const advised = await site.deploy({ ref: commit('2', before, flaw) });
    expect(advised, advised.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(advised.stdout).toContain(advice);
    for (const version of ['3', '4']) {
      const taken = await site.deploy({ ref: commit(version, after, then) });
      expect(taken, taken.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
      expect(taken.stdout).not.toMatch(/::warning/);
      expect(await site.served()).toBe(version);
    }
  },
);
