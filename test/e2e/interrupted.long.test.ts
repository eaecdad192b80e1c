import { readdirSync, renameSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, describe, expect, test } from 'vitest';
import type { ActionRun, StartedAction } from '../rig/action.ts';
import type { Host } from '../rig/host.ts';
import { journaled } from '../rig/journal.ts';
import { hostProgramOf, isHostProgram, ofProcess, processesOf } from '../rig/leftovers.ts';
import { startLoad } from '../rig/load.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

let site: Site;
let host: Host;
let live: string;
let first: string;

beforeEach(async () => {
  site = await createSite(NEWEST, { inputs: { canary: 'off' } });
  ({ host, live } = site);
  first = site.commit({ version: '1' });
  const run = await site.deploy({ ref: first });
  expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
});
afterEach(() => site?.stop());

test.each([
  ['staged', 'failed', /\] staged/],
  ['canary', 'failed', /\] canary/],
  // As soon as the log has the state, the journal may not have it yet: then nothing has begun.
  ['activating', 'rolled-back', /Applying action/],
  ['verifying', 'rolled-back', /\] verifying/],
])(
  'a host program that is killed in %s, with a broken version: the same job ends as %s',
  async (state, outcome, sign) => {
    const sum = host.checksum(live, { except: ['.git'] });
    const action = site.start({
      ref: site.commit({ version: 'bad', flaw: 'never listens' }),
      canary: state === 'canary' ? 'auto' : 'off',
      // Killed in its build, however late the log tells of it.
      'build-command': `sleep ${state === 'staged' ? 60 : 0}; node build.js`,
      'health-timeout': '5s',
    });
    await action.says(sign);
    process.kill(hostProgramOf(host.directory), 'SIGKILL');
    const killed = await action.done;
    expect(killed, killed.stdout).toMatchObject({
      code: 1,
      outputs: { outcome, sha: first, 'previous-sha': first },
      exported: { state: { settled: 'true' } },
    });
    expect(killed.stdout).toContain(`was killed, or crashed, in ${state}`);
    expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
    expect(await site.served()).toBe('1');
    expect(processesOf(host.directory).filter(isBuild)).toEqual([]);
    expect(new Set((await host.instances()).map(({ name }) => name))).toEqual(new Set(['shop']));

    // With the version that was live before, everything is as if nothing had been.
    const next = await site.deploy({ ref: first });
    expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: first } });
    expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
    expect(await site.served()).toBe('1');
    expect(await host.instances('shop')).toMatchObject([{ status: 'online' }, { status: 'online' }]);
  },
);

test('a host program that is killed in the reload of a version that throws: PM2 is stopped before it replaces every instance', async () => {
  const load = startLoad({ url: `http://127.0.0.1:${site.port}/version`, connections: 5, fresh: 2 });
  await load.sees('1', 10_000);
  const action = site.start({ ref: site.commit({ version: 'bad', flaw: 'throws at boot' }) });
  await action.says(/Applying action reloadProcessId/);
  process.kill(hostProgramOf(host.directory), 'SIGKILL');
  const killed = await action.done;
  const { failures } = await load.stop();
  expect(killed, killed.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: first } });
  expect(killed.stdout).toMatch(
    /was killed, or crashed, in activating\. During PM2's reload, .* The reload was stopped\./,
  );
  expect(failures, killed.stdout).toEqual({});
  expect(await site.served()).toBe('1');
});

test('a host program that is killed in verifying, with a good version: the same job commits it', async () => {
  const second = site.commit({ version: '2' });
  const action = site.start({ ref: second, 'stable-for': '3s' });
  await journaled(host.directory, 'verifying');
  process.kill(hostProgramOf(host.directory), 'SIGKILL');
  const killed = await action.done;
  expect(killed, killed.stdout).toMatchObject({
    code: 0,
    outputs: { outcome: 'deployed', sha: second, 'previous-sha': first },
  });
  expect(await site.served()).toBe('2');
  const next = await site.deploy({ ref: second });
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: second } });
});

const MIGRATES = { 'migrate-command': 'echo migrating; sleep 2' };

test('a host program that is killed while migrate-command runs: the same job says that the command had begun', async () => {
  const action = site.start({ ref: site.commit({ version: '2' }), ...MIGRATES });
  await action.says(/migrating/);
  process.kill(hostProgramOf(host.directory), 'SIGKILL');
  const killed = await action.done;
  expect(killed, killed.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: first } });
  expect(killed.stdout).toContain('in prepared. Its migrate-command had begun.');
  const next = await site.deploy({ ref: first });
  expect(next.stdout).not.toContain('migrate-command');
});

/** As a reboot does: nobody is left to end the work. */
function killBoth(action: ReturnType<Site['start']>): Promise<unknown> {
  action.process.kill('SIGKILL');
  process.kill(hostProgramOf(host.directory), 'SIGKILL');
  return action.done;
}

test('nobody is left to end a deploy: the next one says what had begun, or what it cannot end', async () => {
  const migrating = site.start({ ref: site.commit({ version: '2' }), ...MIGRATES });
  await migrating.says(/migrating/);
  await killBoth(migrating);
  const second = site.commit({ version: '3' });
  const next = await site.deploy({ ref: second });
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: second } });
  expect(next.stdout).toMatch(/Deploy \S+ was killed. Its migrate-command had begun./);

  const reloading = site.start({
    ref: site.commit({ version: 'bad', flaw: 'never listens' }),
    'before-reload-command': 'true',
    'after-reload-command': 'echo back in the balancer',
  });
  await reloading.says(/\] verifying/);
  await killBoth(reloading);
  const states = path.join(host.directory, '.local/state/pm2-ssh-deploy');
  const [state = ''] = readdirSync(states).filter((name) => name.startsWith('shop-'));
  const record = path.join(states, state, 'transaction.json');
  renameSync(record, `${record}.away`);
  const stuck = await site.deploy({ ref: second });
  expect(stuck, stuck.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(stuck.stdout).toContain('The after-reload-command of the interrupted deploy has not run');
  expect(stuck.stdout).toContain('echo back in the balancer');
  renameSync(`${record}.away`, record);
  const healed = await site.deploy({ ref: second });
  expect(healed, healed.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: second } });
  expect(healed.stdout).toContain('back in the balancer');
});

test('a runner that vanishes in activating: the host goes on alone, and the next deploy finds its work done', async () => {
  const second = site.commit({ version: '2' });
  const action = site.start({ ref: second });
  await action.says(/\] activating/);
  action.process.kill('SIGKILL');
  await action.done;
  await expect.poll(() => processesOf(host.directory).some(isHostProgram)).toBe(false);
  expect(await site.served()).toBe('2');
  const next = await site.deploy({ ref: second });
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: second } });
});

describe('a rollback to files that are on the disk, without a repository', () => {
  const rollback = { mode: 'rollback', ref: '', canary: 'auto', 'build-command': 'false' };
  let second: string;
  beforeEach(async () => {
    second = site.commit({ version: '2' });
    const run = await site.deploy({ ref: second });
    expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
    site.repository.remove();
  });

  const killedWhen = async (isThere: (action: StartedAction) => Promise<void>): Promise<ActionRun> => {
    const action = site.start(rollback);
    await isThere(action);
    process.kill(hostProgramOf(host.directory), 'SIGKILL');
    return action.done;
  };

  test('is begun anew after a kill in its canary', async () => {
    const sum = host.checksum(live, { except: ['.git'] });
    const killed = await killedWhen((action) => action.says(/\] canary/));
    expect(killed, killed.stdout).toMatchObject({ outputs: { outcome: 'failed', sha: second } });
    expect(host.checksum(live, { except: ['.git'] })).toBe(sum);
    const next = await site.deploy(rollback);
    expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: first } });
    expect(await site.served()).toBe('1');
    expect(await host.instances('shop')).toMatchObject([{ status: 'online' }, { status: 'online' }]);
  });

  test('is ended, one way or the other, after a kill in its swap', async () => {
    const killed = await killedWhen(() => journaled(host.directory, 'activating'));
    const { outcome, sha } = killed.outputs;
    expect(['rolled-back', 'deployed'], killed.stdout).toContain(outcome);
    expect(sha).toBe(outcome === 'deployed' ? first : second);
    expect(await site.served()).toBe(outcome === 'deployed' ? '1' : '2');
    const status = await site.deploy({ mode: 'status' });
    expect(status, status.stdout).toMatchObject({ code: 0, outputs: { sha } });
  });
});

const isBuild = (pid: number): boolean => /sleep|build/.test(ofProcess(pid, 'cmdline'));
