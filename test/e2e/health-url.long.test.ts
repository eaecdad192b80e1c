import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { freePort } from '../rig/free-port.ts';
import { startLoad } from '../rig/load.ts';
import { NEWEST, OLDEST, type Runtime } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** Its deploys ask for its health, and have no canary to find the fault before. */
const createHealthSite = (runtime: Runtime): Promise<Site> =>
  createSite(runtime, { inputs: { canary: 'off', 'health-url': '/health' } });

interface HostOutput {
  'failed-requests': number | null;
  'downtime-ms': number | null;
  failure: { message: string } | null;
}

/** What the action says of its one host, and that the other outputs say the same. */
function hostOf(run: ActionRun): HostOutput {
  const [host] = JSON.parse(run.outputs.hosts ?? '[]') as HostOutput[];
  if (host === undefined) throw new Error(`no host came to an end: ${run.stdout}`);
  expect(run.outputs['failed-requests']).toBe(String(host['failed-requests'] ?? ''));
  expect(run.outputs['downtime-ms']).toBe(String(host['downtime-ms'] ?? ''));
  return host;
}

/** Each test leaves the server to the next one, as deploys do. */
describe.each<[string, Runtime]>([
  [NEWEST.name, NEWEST],
  [OLDEST.name, OLDEST],
])('%s', (_, runtime) => {
  let site: Site;
  let good: string;
  beforeAll(async () => {
    site = await createHealthSite(runtime);
  });
  afterAll(async () => {
    await site?.stop();
  });

  test('a good version loses no request, and the report says so', async () => {
    const first = await site.deploy({ ref: site.commit({ version: '1' }) });
    expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    good = site.commit({ version: '2' });
    const run = await site.deploy({ ref: good });
    expect(run, run.stdout).toMatchObject({
      code: 0,
      outputs: { outcome: 'deployed', 'failed-requests': '0', 'downtime-ms': '0' },
    });
    expect(hostOf(run)).toMatchObject({ 'failed-requests': 0, 'downtime-ms': 0 });
    const sent = Number(/ 0 of (\d+) requests to the health URL failed\./.exec(run.stdout)?.[1]);
    expect(sent).toBeGreaterThan(10);
    expect(run.summary).toContain(`0 of ${sent} requests to the health URL failed.`);
  });

  test('a version that answers 500 is rolled back with its words, and visitors lose nothing', async () => {
    const bad = site.commit({ version: 'three', flaw: 'answers 500 on /health' });
    const load = startLoad({ url: `http://127.0.0.1:${site.port}/version` });
    await load.sees('2', 10_000);
    const run = await site.deploy({ ref: bad, 'health-timeout': '3s' });
    const lost = await load.stop();
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: good } });
    const words = `/health answers 500: version three cannot reach its database`;
    expect(run.stdout).toContain(`http://localhost:${site.port}${words}`);
    expect(run.summary).toContain('answers 500: version three cannot reach its database');
    const host = hostOf(run);
    expect(host.failure?.message).toContain(words);
    expect(host['failed-requests']).toBeGreaterThan(5);
    expect(host['downtime-ms']).toBeGreaterThan(1_000);
    expect(host['downtime-ms']).toBeLessThan(run.durationMs);
    expect(await site.served()).toBe('2');
    expect(lost.failures).toEqual({});
  });
});

describe('what health-url means for the rest of a deploy', () => {
  let site: Site;
  let good: string;
  beforeAll(async () => {
    site = await createHealthSite(NEWEST);
    good = site.commit({ version: '1' });
    const run = await site.deploy({ ref: good, 'health-url': `:${site.port}/health` });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  });
  afterAll(async () => {
    await site?.stop();
  });

  test('a version whose health turns bad while it has to be stable is rolled back', async () => {
    const bad = site.commit({ version: '2', flaw: 'turns bad after 5 s' });
    const run = await site.deploy({ ref: bad, 'stable-for': '7s', 'health-timeout': '7s' });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: good } });
    expect(run.stdout).toContain('version 2 cannot reach its database');
    expect(await site.served()).toBe('1');
  });

  test('what is live and healthy is unchanged, and nothing is counted', async () => {
    const run = await site.deploy({ ref: good });
    expect(run, run.stdout).toMatchObject({
      code: 0,
      outputs: { outcome: 'unchanged', 'failed-requests': '', 'downtime-ms': '' },
    });
    expect(run.stdout).not.toContain('requests to the health URL');
  });

  test('without health-url a version that answers 500 passes, and nothing is counted', async () => {
    const bad = site.commit({ version: '3', flaw: 'answers 500 on /health' });
    const run = await site.deploy({ ref: bad, 'health-url': '' });
    expect(run, run.stdout).toMatchObject({
      code: 0,
      outputs: { outcome: 'deployed', 'failed-requests': '', 'downtime-ms': '' },
    });
    expect(hostOf(run)).toMatchObject({ 'failed-requests': null, 'downtime-ms': null });
    good = bad;
  });

  test('with it, the same commit is not unchanged; a rollback is held to no more than there was before', async () => {
    const run = await site.deploy({ ref: good, 'health-timeout': '2s' });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: good } });
    expect(run.stdout).toContain('After a rollback it need not be better than that.');
    expect(run.stdout).toMatch(/There is something to deploy: http:\S+ answers 500: version 3 cannot reach/);
    expect(await site.served()).toBe('3');
  });

  test('a site that was bad before is mended by a deploy', async () => {
    const sha = site.commit({ version: '4' });
    const run = await site.deploy({ ref: sha });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
    expect(await site.served()).toBe('4');
    // It was down until the new version answered.
    expect(hostOf(run)['failed-requests']).toBeGreaterThan(0);
  });

  test('a path alone, of an app whose port nobody knows, is refused before anything is touched', async () => {
    const pids = await site.host.pids('shop');
    const files = site.files({ version: '5' });
    const other = { name: 'admin', script: './dist/server.js', env: { PORT: await freePort() } };
    const ecosystem = `const { apps } = ${files['ecosystem.config.js']?.replace('module.exports = ', '')}
module.exports = { apps: [...apps, ${JSON.stringify(other)}] };\n`;
    const run = await site.deploy({
      ref: site.repository.commit({ ...files, 'ecosystem.config.js': ecosystem }),
    });
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(run.stdout).toContain("`health-url` is the path /health, and the app's port is not known");
    expect(run.stdout).toMatch(/Write the port before the path, such as :\d+\/health\./);
    expect(await site.host.pids('shop')).toEqual(pids);
  });
});
