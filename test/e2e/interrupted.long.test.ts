import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ActionRun, runAction, startAction } from '../rig/action.ts';
import { type FixtureOptions, fixtureApp } from '../rig/fixture-app.ts';
import { freePort } from '../rig/free-port.ts';
import { createHost, type Host } from '../rig/host.ts';
import { hostProgramOf, isHostProgram, processesOf } from '../rig/leftovers.ts';
import { createRepository, type Repository } from '../rig/repository.ts';

let host: Host;
let repository: Repository;
let port: number;
let live: string;
let first: string;

beforeEach(async () => {
  host = await createHost();
  repository = createRepository();
  port = await freePort();
  live = path.join(host.directory, 'shop');
  first = commit({ version: '1' });
  const run = await deploy(first);
  expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
});
afterEach(async () => {
  await host?.stop();
  repository?.remove();
});

function commit(options: Omit<FixtureOptions, 'port'>): string {
  return repository.commit(fixtureApp({ ...options, port }));
}
const inputs = (ref: string): Record<string, string> => ({
  ...host.access,
  path: 'shop',
  repository: repository.url,
  ref,
  'install-command': 'none',
  'build-command': 'node build.js',
  'stable-for': '1s',
  canary: 'off',
  'health-timeout': '20s',
});
function deploy(ref: string): Promise<ActionRun> {
  return runAction({ inputs: inputs(ref) });
}
const served = async (): Promise<string> => (await fetch(`http://127.0.0.1:${port}/version`)).text();

test.each([
  ['staged', 'failed'],
  ['canary', 'failed'],
  ['activating', 'rolled-back'],
  ['verifying', 'rolled-back'],
])(
  'a host program that is killed in %s, with a broken version: the same job ends as %s',
  async (state, outcome) => {
    const sum = host.checksum(live, { except: ['.git'] });
    const bad = inputs(commit({ version: 'bad', flaw: 'never listens' }));
    const action = startAction({
      inputs: {
        ...bad,
        canary: state === 'canary' ? 'auto' : 'off',
        'build-command': 'sleep 1; node build.js',
        'health-timeout': '5s',
      },
    });
    await expect.poll(action.log, { timeout: 30_000, interval: 2 }).toMatch(new RegExp(`\\] ${state}`));
    process.kill(hostProgramOf(host.directory), 'SIGKILL');
    const killed = await action.done;
    expect(killed, killed.stdout).toMatchObject({
      code: 1,
      outputs: { outcome, sha: first, 'previous-sha': first },
      exported: { state: { settled: 'true' } },
    });
    expect(killed.stdout).toContain(`was killed, or crashed, in ${state}`);
    expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
    expect(await served()).toBe('1');
    expect(processesOf(host.directory).filter(isBuild)).toEqual([]);
    expect(new Set((await host.instances()).map(({ name }) => name))).toEqual(new Set(['shop']));

    // With the version that was live before, everything is as if nothing had been.
    const next = await deploy(first);
    expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: first } });
    expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
    expect(await served()).toBe('1');
    expect(await host.instances('shop')).toMatchObject([{ status: 'online' }, { status: 'online' }]);
  },
  // Three deploys, and the time that the killed one's reload is given to end.
  120_000,
);

test('a host program that is killed in verifying, with a good version: the same job commits it', async () => {
  const second = commit({ version: '2' });
  const action = startAction({ inputs: inputs(second) });
  await expect.poll(action.log, { timeout: 30_000, interval: 2 }).toMatch(/\] verifying/);
  process.kill(hostProgramOf(host.directory), 'SIGKILL');
  const killed = await action.done;
  expect(killed, killed.stdout).toMatchObject({
    code: 0,
    outputs: { outcome: 'deployed', sha: second, 'previous-sha': first },
  });
  expect(await served()).toBe('2');
  const next = await deploy(second);
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: second } });
});

test('a runner that vanishes in activating: the host goes on alone, and the next deploy finds its work done', async () => {
  const second = commit({ version: '2' });
  const action = startAction({ inputs: inputs(second) });
  await expect.poll(action.log, { timeout: 30_000, interval: 2 }).toMatch(/\] activating/);
  action.process.kill('SIGKILL');
  await action.done;
  await expect.poll(() => processesOf(host.directory).some(isHostProgram), { timeout: 30_000 }).toBe(false);
  expect(await served()).toBe('2');
  const next = await deploy(second);
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: second } });
});

function isBuild(pid: number): boolean {
  try {
    return /sleep|build/.test(readFileSync(`/proc/${pid}/cmdline`, 'utf8'));
  } catch {
    return false;
  }
}
