import path from 'node:path';
import { expect, test } from 'vitest';
import { trustCertificates } from '../../rig/certificates.ts';
import { exampleWorkflow } from '../../rig/example.ts';
import { freePort } from '../../rig/free-port.ts';
import { startLoad } from '../../rig/load.ts';
import { createSite } from '../../rig/site.ts';
import { EXPRESS_HEALTH, exampleVersion } from './example.ts';
import { AS_USERS_DO, type Flaw, tell } from './life.ts';

const ENVIRONMENTS = ['dev', 'stg', 'prod'] as const;
type Environment = (typeof ENVIRONMENTS)[number];

test('dev, stg and prod of one ecosystem file live beside each other, each at its path, chosen by a matrix', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  await using workflow = await exampleWorkflow('environments', site.host, site.repository);
  trustCertificates(site.host.directory);
  const ports = { dev: site.port, stg: await freePort(), prod: await freePort() };
  const changes = Object.fromEntries(
    ENVIRONMENTS.map((app, at) => [`('${app}', 300${at + 1})`, `('${app}', ${ports[app]})`]),
  );
  const example = { name: 'environments', main: 'server.js', health: EXPRESS_HEALTH, changes: () => changes };
  const commit = (name: string, flaw?: Flaw): string =>
    site.repository.commit(exampleVersion(example, name, flaw));
  /** One leg of the matrix by itself. */
  const act = (app: Environment, inputs: Record<string, string>) =>
    site.deploy({
      ...AS_USERS_DO,
      'health-url': '/health',
      app: `shop-${app}`,
      path: `shop-${app}`,
      ...inputs,
    });
  const url = (app: Environment): string => `http://127.0.0.1:${ports[app]}/version`;
  const served = () => Promise.all(ENVIRONMENTS.map(async (app) => (await fetch(url(app))).text()));
  const deploy = async (app: Environment, ref: string): Promise<void> => {
    const run = await act(app, { ref });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: ref } });
  };

  const first = commit('1');
  const jobs = await workflow.run(first);
  expect(
    jobs.map(({ matrix, result }) => [matrix.environment, result]),
    jobs.map(({ steps }) => steps[0]?.run?.stdout).join('\n'),
  ).toEqual(ENVIRONMENTS.map((app) => [app, 'success']));
  expect(await served()).toEqual(['1', '1', '1']);

  const loads = ENVIRONMENTS.map((app) => startLoad({ url: url(app), connections: 2, fresh: 1, pause: 30 }));
  const second = commit('2');
  const before = [await site.host.pids('shop-stg'), await site.host.pids('shop-prod')];
  await deploy('dev', second);
  expect(await served()).toEqual(['2', '1', '1']);
  expect([await site.host.pids('shop-stg'), await site.host.pids('shop-prod')]).toEqual(before);

  for (const flaw of ['boot', '500'] as const) {
    const broken = await act('stg', { ref: commit(`broken-${flaw}`, flaw), 'health-timeout': '20s' });
    expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: first } });
  }
  await deploy('prod', second);
  expect(await served()).toEqual(['2', '1', '2']);
  const back = await act('prod', { mode: 'rollback' });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: first } });
  expect(await served()).toEqual(['2', '1', '1']);

  const states = await Promise.all(ENVIRONMENTS.map((app) => act(app, { mode: 'status' })));
  for (const [at, app] of ENVIRONMENTS.entries()) {
    const status = states[at];
    expect(status, status?.stdout).toMatchObject({
      code: 0,
      outputs: { sha: app === 'dev' ? second : first },
    });
    const load = await loads[at]?.stop();
    if (load) tell(`Express, ${app} of three environments`, load);
    expect(load?.failures).toEqual({});
    for (const { cwd } of await site.host.instances(`shop-${app}`)) {
      expect(cwd).toBe(path.join(site.host.directory, `shop-${app}`));
    }
  }
});
