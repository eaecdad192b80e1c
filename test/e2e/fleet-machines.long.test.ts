import { spawnSync } from 'node:child_process';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { type LoadOptions, type LoadResult, startLoad } from '../rig/load.ts';
import { type LoadBalancer, startLoadBalancer } from '../rig/load-balancer.ts';
import { createMachines, type MachineFleet } from '../rig/machines.ts';

/** Eight servers, each a machine of its own, with nginx in front. They live through all tests, one after the other. */
const COUNT = 8;
let fleet: MachineFleet;
let nginx: LoadBalancer;
/** What all of them run. */
let live = '0';
let count = 0;

beforeAll(async () => {
  fleet = await createMachines(COUNT, { 'max-parallel': '50%' });
  const servers = fleet.hosts.map(({ host, port }, at) => ({
    name: `web-${at + 1}`,
    address: host.access.host,
    port,
  }));
  nginx = await startLoadBalancer(fleet.gateway, servers);
});
afterAll(async () => {
  await nginx?.[Symbol.asyncDispose]();
  await fleet?.stop();
});

interface Version {
  name: string;
  sha: string;
}

function nextVersion(): Version {
  count += 1;
  return { name: String(count), sha: fleet.commit(String(count)) };
}

/** Deploys a good version, or the given one, to all. */
async function deployWell(
  given: Record<string, string> = {},
  { name, sha } = nextVersion(),
): Promise<ActionRun> {
  const run = await fleet.deploy({ ...given, ref: sha });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha } });
  live = name;
  await expectAll(live);
  return run;
}

async function expectAll(version: string, except: readonly number[] = []): Promise<void> {
  const served = await fleet.served();
  expect(served).toEqual(served.map((_, at) => (except.includes(at) ? served[at] : version)));
}

async function underLoad<T>(
  options: Partial<LoadOptions>,
  work: () => Promise<T>,
): Promise<{ load: LoadResult; done: T }> {
  const load = startLoad({ url: `${nginx.url}/version`, pause: 20, ...options });
  try {
    const done = await work();
    return { done, load: await load.stop() };
  } finally {
    await load.stop();
  }
}

const log = (run: ActionRun, what: string): void =>
  console.log(`${what}: ${(run.durationMs / 1000).toFixed(1)} s`);

test('each server is a machine: its own address, hostname, processes and PM2', async () => {
  const tell = 'echo "is $(hostname) $(readlink /proc/self/ns/net) $(readlink /proc/self/ns/pid)"';
  const run = await deployWell({ 'build-command': `${tell} && node build.js` });
  log(run, 'a first deploy');
  const machines = [...run.stdout.matchAll(/\| is (\S+) (net:\S+) (pid:\S+)/g)];
  for (const part of [1, 2, 3]) expect(new Set(machines.map((found) => found[part])).size).toBe(COUNT);
  expect(new Set(fleet.hosts.map(({ host }) => host.access.host)).size).toBe(COUNT);
  expect(new Set(fleet.hosts.map(({ port }) => port)).size).toBe(1);
});

test('a good rollout under load through nginx: no request fails', async () => {
  const before = live;
  const { load, done } = await underLoad({ connections: 8, fresh: 2 }, () => deployWell());
  log(done, `without drain steps: ${JSON.stringify(load)}`);
  expect(load.failed, JSON.stringify(load)).toBe(0);
  expect(Object.keys(load.versions)).toEqual([before, live]);
});

test('a good rollout with drain steps: each server is taken out of nginx once, and no request fails', async () => {
  const commands = { 'before-reload-command': nginx.drain, 'after-reload-command': nginx.undrain };
  // nginx closes kept connections of visitors when its list changes, which may cost one of them a request.
  const { load, done } = await underLoad({ connections: 0, fresh: 6 }, () => deployWell(commands));
  log(done, `with drain steps: ${JSON.stringify(load)}`);
  expect(load.failed, JSON.stringify(load)).toBe(0);
  const moves = nginx.moves();
  expect([...moves].sort()).toEqual(
    Array.from({ length: COUNT }, (_, at) => [`web-${at + 1} in`, `web-${at + 1} out`]).flat(),
  );
  expect(moves.slice(0, 2)).toEqual(['web-1 out', 'web-1 in']);
});

test('a build that fails on the fifth server: nothing is activated anywhere', async () => {
  fleet.hosts[4]?.breakBuild(true);
  const pids = await Promise.all(fleet.hosts.map(({ host }) => host.pids('shop')));
  const run = await fleet.deploy({ ref: nextVersion().sha });
  fleet.hosts[4]?.breakBuild(false);
  log(run, 'a build that fails');
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).not.toMatch(/: activating/);
  expect(run.summary).toContain('host-5 failed in staged');
  expect(await Promise.all(fleet.hosts.map(({ host }) => host.pids('shop')))).toEqual(pids);
  await expectAll(live);
  for (const { live } of fleet.hosts)
    await expect.poll(() => spawnSync('flock', ['-n', live, 'true']).status).toBe(0);
});

test('a version that fails on the third server alone: all are back on the old one, without a failed request', async () => {
  const { name, sha } = nextVersion();
  fleet.hosts[2]?.breakVersion(name);
  let mixed = 0;
  const { load, done: run } = await underLoad({ connections: 8, fresh: 2 }, async () => {
    const deploy = fleet.start({ ref: sha }).done;
    mixed = await mixedUntil(deploy);
    return deploy;
  });
  log(run, `fails on the third: mixed for ${(mixed / 1000).toFixed(1)} s, ${JSON.stringify(load)}`);
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  await expectAll(live);
  expect(mixed).toBeGreaterThan(0);
  expect(mixed).toBeLessThan(run.durationMs);
  expect(load.failed, JSON.stringify(load)).toBe(0);
});

test('a server that is down from the start: nothing is activated; the next deploy without it goes well, the one after ends the mix', async () => {
  const { name, sha } = nextVersion();
  const impatient = { ref: sha, 'connect-retries': '0', 'connect-timeout': '2s' };
  fleet.cable(7, false);
  const run = await fleet.deploy(impatient);
  log(run, 'unreachable');
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).not.toMatch(/: activating/);
  expect(run.summary).toContain('host-8 could not be reached');
  await expectAll(live, [7]);

  const seven = fleet.inputs({}).host?.split(', ').slice(0, 7).join(', ') ?? '';
  const without = await fleet.deploy({ ref: sha, host: seven });
  expect(without, without.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  fleet.cable(7, true);
  const next = await deployWell({}, { name, sha });
  log(next, 'a version behind');
  expect(next.stdout).toMatch(/The hosts do not have the same commit now: .*; [0-9a-f]{7} on host-8\./);
  expect(JSON.parse(next.outputs.hosts ?? '[]')).toMatchObject([
    ...Array(7).fill({ outcome: 'unchanged' }),
    { outcome: 'deployed' },
  ]);
});

test('two deploys to all servers at once, in another order: each takes all of them, one after the other', async () => {
  const entries = fleet.inputs({}).host?.split(', ') ?? [];
  const [first, second] = [nextVersion(), nextVersion()];
  const [older, newer] = await Promise.all([
    fleet.deploy({ ref: first.sha }),
    fleet.deploy(
      { ref: second.sha, host: [...entries].reverse().join(', ') },
      { env: { GITHUB_RUN_ID: '4712' } },
    ),
  ]);
  log(newer, 'two at once');
  expect(newer, newer.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  // The older run may come second: then it is refused, since a newer one has deployed.
  expect(older.outputs.outcome === 'deployed' || older.stdout.includes('newer than this run')).toBe(true);
  live = second.name;
  await expectAll(live);
});

/** How long the servers served more than one version, in milliseconds, until the deploy has ended. */
async function mixedUntil(deploy: Promise<ActionRun>): Promise<number> {
  let ended = false;
  const end = deploy.finally(() => {
    ended = true;
  });
  let since = 0;
  let total = 0;
  while (!ended) {
    const isMixed = new Set(await fleet.served()).size > 1;
    const now = performance.now();
    if (isMixed) since ||= now;
    else if (since > 0) {
      total += now - since;
      since = 0;
    }
    await Promise.race([pause(100), end]);
  }
  return total + (since > 0 ? performance.now() - since : 0);
}
