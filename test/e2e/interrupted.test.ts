import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ActionRun, runAction, startAction } from '../rig/action.ts';
import { type FixtureOptions, fixtureApp } from '../rig/fixture-app.ts';
import { freePort } from '../rig/free-port.ts';
import { createHost, type Host } from '../rig/host.ts';
import { processesOf } from '../rig/leftovers.ts';
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

function hostProgram(): number {
  const found = processesOf(host.directory).filter(isHostProgram);
  // A child of it bears its name until it has become the command that it was forked for.
  const [program, ...others] = found.filter((pid) => !found.includes(parentOf(pid)));
  expect(others).toEqual([]);
  return program as number;
}

function parentOf(pid: number): number {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return 0;
  }
}

test.each(['prepared', 'activating', 'verifying'])(
  'a host program that is killed in %s: the job says so at once, and the next deploy ends what it left open',
  async (state) => {
    const sum = host.checksum(live, { except: ['.git'] });
    const action = startAction({ inputs: inputs(commit({ version: 'bad', flaw: 'never listens' })) });
    await expect.poll(action.log, { timeout: 30_000, interval: 2 }).toMatch(new RegExp(`\\] ${state}`));
    process.kill(hostProgram(), 'SIGKILL');
    const killed = await action.done;
    expect(killed, killed.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(killed.durationMs).toBeLessThan(30_000);

    // The version that was live before is asked for again: with it healthy, everything is as if nothing had been.
    const next = await deploy(first);
    expect(next, next.stdout).toMatchObject({ code: 0, outputs: { sha: first } });
    expect(['unchanged', 'deployed']).toContain(next.outputs.outcome);
    expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
    expect(await served()).toBe('1');
    expect(await host.instances('shop')).toMatchObject([{ status: 'online' }, { status: 'online' }]);
  },
);

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

function isHostProgram(pid: number): boolean {
  try {
    return readFileSync(`/proc/${pid}/cmdline`, 'utf8').startsWith('pm2-ssh-deploy');
  } catch {
    return false;
  }
}
