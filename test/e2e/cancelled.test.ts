import { readdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import type { Host } from '../rig/host.ts';
import { stateOfLeft } from '../rig/left.ts';
import { ofProcess, processesOf } from '../rig/leftovers.ts';
import { NEWEST } from '../rig/pm2.ts';
import { startRelay, throughRelay } from '../rig/relay.ts';
import { createSite, type Site } from '../rig/site.ts';

/** A build of three processes, none of which a SIGTERM ends; it is in the log once all of them run. */
const STUBBORN =
  "(trap '' TERM; while :; do sleep 0.1; done) & (trap '' TERM; sleep 600) & trap '' TERM; echo all run; sleep 600";

let site: Site;
let host: Host;
let first: string;
let sum: string;
let pids: number[];

beforeEach(async () => {
  site = await createSite(NEWEST, { app: UNVISITED, inputs: { canary: 'off' } });
  ({ host } = site);
  first = site.commit({ version: '1' });
  const run = await site.deploy({ ref: first });
  expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  sum = host.checksum(site.live, { except: ['.git'] });
  pids = await host.pids('shop');
});
afterEach(() => site?.stop());

const errorsOf = (run: ActionRun): string[] =>
  run.commands.filter(({ name }) => name === 'error').map(({ data }) => data);

/** What still runs of the builds. */
function buildProcesses(): string[] {
  return processesOf(host.directory)
    .map(commandOf)
    .filter((command) => /sleep|build-command/.test(command));
}
const hostPrograms = (): string[] =>
  processesOf(host.directory)
    .map(commandOf)
    .filter((command) => command.startsWith('pm2-ssh-deploy'));

const commandOf = (pid: number): string => ofProcess(pid, 'cmdline').replaceAll('\0', ' ');

async function expectUntouched(): Promise<void> {
  await expect.poll(hostPrograms).toEqual([]);
  // Staging is discarded; what the live version replaced is kept for a rollback.
  const beside = path.join(host.directory, '.shop.pm2-ssh-deploy');
  expect(readdirSync(beside)).toHaveLength(1);
  expect(host.checksum(site.live, { except: ['.git'] })).toBe(sum);
  expect(await host.pids('shop')).toEqual(pids);
  const next = await site.deploy({ ref: first });
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
}

test.each(['SIGINT', 'SIGTERM'] as const)(
  '%s while it builds: the build is dead with all its processes, nothing was changed, and the job says so in time',
  async (signal) => {
    const given = { ref: site.commit({ version: '2' }), 'build-command': STUBBORN };
    const action = site.start(given);
    await action.says(/all run/);
    expect(buildProcesses().length).toBeGreaterThanOrEqual(3);
    const sent = performance.now();
    action.process.kill(signal);
    const run = await action.done;
    expect(performance.now() - sent).toBeLessThan(7_000);
    expect(buildProcesses()).toEqual([]);
    expect(run, run.stdout).toMatchObject({
      code: 1,
      outputs: { outcome: 'failed', sha: first, 'previous-sha': first },
      exported: { state: { settled: 'true' } },
    });
    expect(errorsOf(run)).toEqual([
      'Failed in staged: Cancelled before the new version went live: the job was cancelled. The live app was not touched.',
    ]);
    expect(run.summary).toContain('Cancelled before the new version went live');
    const post = await site.post(run.exported.state, given);
    expect(post).toMatchObject({ code: 0, stdout: '', stderr: '' });
    await expectUntouched();
  },
);

test('SIGINT, then SIGTERM, in verifying: the job says where the host stands in time, and post how it ended', async () => {
  const second = site.commit({ version: '2' });
  const given = { ref: second, 'stable-for': '9s' };
  const action = site.start(given);
  await action.says(/\] verifying/);
  const sent = performance.now();
  action.process.kill('SIGINT');
  await action.says(/Cancelled: telling host-1/);
  action.process.kill('SIGTERM');
  const run = await action.done;
  expect(performance.now() - sent).toBeLessThan(7_000);
  expect(run).toMatchObject({ code: 1, outputs: { outcome: 'failed', hosts: '[]' } });
  expect(run.exported.state.settled).toBeUndefined();
  expect(run.summary).toMatch(
    /^### ⏳ The job was cancelled, and the deploy on host-1 did not end within `?4\.5`? s\./,
  );
  // The action itself has closed the connection.
  expect(run.stdout).not.toMatch(/was lost|Connecting again/);
  expect(errorsOf(run)).toEqual([
    expect.stringMatching(
      /^The job was cancelled, .* It had entered verifying\. From activating on host-1 goes/,
    ),
  ]);
  const post = await site.post(run.exported.state, given);
  expect(post, post.stdout).toMatchObject({ code: 0, outputs: {} });
  expect(post.stdout).toMatch(/\] committed/);
  expect(post.summary).toMatch(/^### ✅ shop is live on host-1 at `\w{7}`/);
  expect(await site.served()).toBe('2');
});

test('SIGINT after the link has died: the job ends in time all the same, and post gives the deploy up', async () => {
  await using relay = await startRelay(host.ssh.port);
  const given = {
    ref: site.commit({ version: '2' }),
    'build-command': STUBBORN,
    ...throughRelay(relay, host.access),
  };
  const action = site.start(given);
  await action.says(/all run/);
  relay.swallow();
  const sent = performance.now();
  action.process.kill('SIGINT');
  const run = await action.done;
  expect(performance.now() - sent).toBeLessThan(7_000);
  expect(run).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(errorsOf(run)).toEqual([
    expect.stringMatching(
      /entered staged, when nothing was changed\. If nothing was changed yet, the host gives/,
    ),
  ]);
  expect(buildProcesses()).not.toEqual([]);
  relay.heal();
  const post = await site.post(run.exported.state, given);
  expect(post, post.stdout).toMatchObject({ code: 1 });
  expect(buildProcesses()).toEqual([]);
  await expectUntouched();
});

test('a killed runner, in staged: post gives the deploy up and reports it', async () => {
  const given = { ref: site.commit({ version: '2' }), 'build-command': STUBBORN };
  const action = site.start(given);
  await action.says(/all run/);
  action.process.kill('SIGKILL');
  const run = await action.done;
  expect(Object.keys(run.exported.state).sort()).toEqual(['deploy-id', 'destination', 'mode', 'ref']);
  // A later step has changed what the inputs say: nobody is asked, and nobody calls that a success.
  const elsewhere = await site.post(run.exported.state, { ...given, port: '1' });
  expect(elsewhere, elsewhere.stdout).toMatchObject({ code: 1, outputs: {} });
  expect(errorsOf(elsewhere)).toEqual([
    expect.stringMatching(/^The post step got another host, .*It is not known .*Nobody cancelled it/),
  ]);
  expect(buildProcesses().length).toBeGreaterThanOrEqual(3);
  // The commit is the one that main was asked for, whatever the input says now.
  const post = await site.post(run.exported.state, { ...given, ref: first });
  expect(post, post.stdout).toMatchObject({ code: 1, outputs: {} });
  expect(post.durationMs).toBeLessThan(15_000);
  expect(errorsOf(post)).toEqual([
    expect.stringMatching(
      /^Failed in staged: Cancelled before the new version went live: the job was cancelled, or/,
    ),
  ]);
  expect(post.summary).toContain('Cancelled before the new version went live');
  expect(buildProcesses()).toEqual([]);
  await expectUntouched();
});

test('a killed runner, with a broken version in activating: post follows the rollback and reports it', async () => {
  const given = { ref: site.commit({ version: 'bad', flaw: 'throws at boot' }) };
  const action = site.start(given);
  await action.says(/\] activating/);
  action.process.kill('SIGKILL');
  const post = await site.post((await action.done).exported.state, given);
  expect(post, post.stdout).toMatchObject({ code: 1 });
  expect(errorsOf(post)).toEqual([expect.stringMatching(/^Rolled back: /)]);
  expect(post.stdout).toMatch(/\] rolled-back/);
  expect(host.checksum(site.live, { except: ['.git'] })).toBe(sum);
  expect(await site.served()).toBe('1');
});

test('post with nothing begun on the host: says so, and refuses the deploy that comes late', async () => {
  const given = { ref: first };
  const post = await site.post(await stateOfLeft(site.inputs(given), 'late-deploy-1'), given);
  expect(post, post.stdout).toMatchObject({ code: 0 });
  expect(post.stdout).toContain('The deploy never began on host-1, and it will not start.');
  const run = path.join(host.directory, '.local/state/pm2-ssh-deploy/runs/late-deploy-1');
  expect(readFileSync(path.join(run, 'control.ndjson'), 'utf8')).toMatch(/^\{"type":"cancel",/);
  await expectUntouched();
});
