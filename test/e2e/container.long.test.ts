import { existsSync, readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { stripVTControlCharacters } from 'node:util';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { type ContainerSite, createContainer } from '../rig/container.ts';
import { type FixtureOptions, UNVISITED } from '../rig/fixture-app.ts';
import { startLoad } from '../rig/load.ts';

const TOKEN = 'ghs_secretOfTheContainerTest';
/** The engine keeps what the app prints: docs/containers.md. */
const LOGS = { error_file: '/dev/null', out_file: '/dev/null' };
const ENV_FILE = 'DATABASE_URL=secret-of-the-env-file';

let site: ContainerSite;
/** The commit of each version, in the order in which they were made. */
const commits: Record<string, string> = {};
const commit = (version: string, more: Partial<FixtureOptions> = {}): string => {
  const settings = { ...(more.drain === undefined && UNVISITED.settings), ...LOGS };
  commits[version] = site.commit({ version, ...UNVISITED, ...more, settings });
  return commits[version];
};

beforeAll(async () => {
  site = await createContainer();
});
afterAll(() => site?.[Symbol.asyncDispose]());

/** What went wrong, to a person. */
const said = ({ stdout }: ActionRun): string => stripVTControlCharacters(stdout);

test('what cannot go well is refused before anything is sent or changed, with what to do', async () => {
  const ref = commit('1');
  const absent = await site.deploy({ ref, container: 'shop', mode: 'check' });
  expect(said(absent)).toMatch(/There is no container 'shop' on host-1 \(asked: (docker, )?podman\)\./);
  expect(said(absent)).toContain(site.name);

  const volatile = await site.deploy({ ref, path: '/opt/shop', mode: 'check' });
  expect(said(volatile)).toContain("path (/opt/shop) is in the container's own layer.");
  expect(said(volatile)).toContain(`-v ${site.name}-app:/opt/shop`);
  const allowed = await site.deploy({
    ref,
    path: '/opt/shop',
    mode: 'check',
    'container-path-volatile': 'allow',
  });
  expect(allowed, said(allowed)).toMatchObject({ code: 0 });

  await site.engine('stop', site.name);
  const stopped = await site.deploy({ ref });
  expect(said(stopped)).toContain(`Container '${site.name}' on host-1 does not run. Its status is exited.`);
  expect(said(stopped)).toContain(`podman start ${site.name}`);
  await site.engine('start', site.name);
});

test('a first deploy: the container itself started nothing', async () => {
  const run = await site.deploy({ ref: commits[1] ?? '' });
  expect(run, said(run)).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: commits[1] } });
  expect(await site.served()).toBe('1');
  expect(said(run)).toContain('Start the container with --init');
});

test('an update under load loses no request, and no secret is where others can read', async () => {
  site.callItDocker();
  const load = startLoad({ url: site.url, connections: 5, fresh: 2 });
  await load.sees('1', 10_000);
  const seen = watchArguments();
  const run = await site.deploy({
    ref: commit('2', { drain: 1000 }),
    'git-token': TOKEN,
    'env-file': ENV_FILE,
    'container-engine': 'docker',
  });
  const args = seen.stop();
  const result = await load.stop();
  expect(run, said(run)).toMatchObject({ code: 0, outputs: { outcome: 'deployed', 'failed-requests': '0' } });
  expect(result, said(run)).toMatchObject({ failed: 0, failures: {} });
  expect(result.versions).toHaveProperty('2');
  expect(readFileSync(path.join(site.volume, 'shop/.env'), 'utf8')).toBe(ENV_FILE);

  expect(args.some((line) => line.includes(`docker exec -i ${site.name}`))).toBe(true);
  const told = [
    ...args,
    said(run).replaceAll(/^::add-mask::.*$/gm, ''),
    run.stderr,
    await site.engine('inspect', site.name),
    await site.engine('logs', site.name),
    site.host.ssh.log(),
  ].join('\n');
  for (const secret of [TOKEN, ENV_FILE]) expect(told).not.toContain(secret);
});

test('a broken version is rolled back', async () => {
  const before = await site.served();
  const run = await site.deploy({ ref: commit('bad', { flaw: 'throws at boot' }), canary: 'off' });
  expect(run, said(run)).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back' } });
  expect(said(run)).toContain('version bad cannot boot');
  expect(await site.served()).toBe(before);
});

test('the runner is killed: the container finishes alone', async () => {
  const action = site.start({ ref: commit('3'), canary: 'off' });
  await action.says(/\] activating/);
  action.process.kill('SIGKILL');
  await action.done;
  await expect.poll(() => site.served()).toBe('3');
  const next = await site.deploy({ ref: commits[3] ?? '' });
  expect(next, said(next)).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: commits[3] } });
});

test('a restart of the container in mid-reload: the same job connects again and ends it', async () => {
  const action = site.start({ ref: commit('4'), canary: 'off', 'stable-for': '5s' });
  await action.says(/Applying action reloadProcessId/);
  await site.engine('restart', site.name);
  const run = await action.done;
  expect(run, said(run)).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: commits[3] } });
  expect(await site.served()).toBe('3');
});

test('the container is recreated in mid-reload, and nobody follows: the next run ends it', async () => {
  const action = site.start({ ref: commit('5'), canary: 'off', 'stable-for': '5s' });
  await action.says(/Applying action reloadProcessId/);
  action.process.kill('SIGKILL');
  await site.recreate();
  await action.done;
  const run = await site.deploy({ ref: commits[5] ?? '' });
  expect(said(run)).toContain('This run ends it first.');
  expect(run, said(run)).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: commits[5] } });
  expect(await site.served()).toBe('5');
});

test('recreated at rest, the container serves what was deployed last: it is healthy, and can go back', async () => {
  await site.recreate();
  await expect.poll(() => site.served()).toBe('5');
  const status = await site.deploy({ mode: 'status' });
  expect(status, said(status)).toMatchObject({ code: 0, outputs: { sha: commits[5] } });
  expect(said(status)).toMatch(/shop: 2 of 2 online/);
  expect(said(status)).toMatch(/Health +healthy/);
  const same = await site.deploy({ ref: commits[5] ?? '' });
  expect(same, said(same)).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  const back = await site.deploy({ mode: 'rollback' });
  expect(back, said(back)).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: commits[3] } });
  expect(await site.served()).toBe('3');
});

test('with a directory for each version, a new container starts the version that is live', async () => {
  const layout = { layout: 'releases' };
  const run = await site.deploy({ ref: commit('6'), ...layout });
  expect(run, said(run)).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  await site.recreate();
  await expect.poll(() => site.served(), { timeout: 30_000 }).toBe('6');
  const same = await site.deploy({ ref: commits[6] ?? '', ...layout });
  expect(same, said(same)).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
});

/** The argument lists of all processes of this machine, those in containers too, until it is stopped. */
function watchArguments(): { stop(): string[] } {
  const seen = new Set<string>();
  const look = (): void => {
    for (const pid of readdirSync('/proc').filter((name) => /^\d+$/.test(name))) {
      const file = `/proc/${pid}/cmdline`;
      try {
        if (existsSync(file)) seen.add(readFileSync(file, 'utf8').replaceAll('\0', ' '));
      } catch {
        // It has ended meanwhile.
      }
    }
  };
  const timer = setInterval(look, 20);
  return {
    stop() {
      clearInterval(timer);
      return [...seen];
    },
  };
}
