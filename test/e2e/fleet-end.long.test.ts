import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { createFleet, type Fleet } from '../rig/fleet.ts';

/**
 * How a deploy to several hosts ends that does not go as it should; each has a fleet of its own, on version 1. What becomes of hosts
 * and runners that are lost is in fleet-machines.long.test.ts and in test/faults.
 */
let fleet: Fleet;
let shas: string[];
let given: Record<string, string>;

beforeEach(async () => {
  fleet = await createFleet(3);
  shas = [fleet.commit('1'), fleet.commit('2')];
  given = { ref: shas[1] ?? '' };
  const run = await fleet.deploy({ ref: shas[0] ?? '' });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
});
afterEach(() => fleet?.stop());

const outcomes = (run: ActionRun): string[] =>
  (JSON.parse(run.outputs.hosts ?? '[]') as { outcome: string }[]).map(({ outcome }) => outcome);

/** Nothing is left that keeps the next deploy from going well on all hosts. */
async function expectNextIsGood(): Promise<void> {
  const next = await fleet.deploy(given);
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: shas[1] } });
  expect(await fleet.served()).toEqual(['2', '2', '2']);
}

test('a cancelled job: what was verified goes back, nothing else begins, and post tells the end', async () => {
  const action = fleet.start(given);
  await action.says(/host-2: activating/, 60_000);
  action.process.kill('SIGINT');
  const run = await action.done;
  expect(run, run.stdout).toMatchObject({ code: 1 });
  const post = await fleet.post(run.exported.state, given);
  // Version 2 may have been back on all of them already, within the time that a cancelled job has.
  expect(run.exported.state.settled === 'true' ? run.stdout : post.stdout).toMatch(/host-1: rolled-back/);
  expect(await fleet.served()).toEqual(['1', '1', '1']);
  expect(run.stdout).not.toMatch(/host-3: activating/);
  await expectNextIsGood();
});

test('a runner that is killed as it says that all stay: post ends it on the new version', async () => {
  const action = fleet.start(given);
  await action.says(/host-3: activating/, 60_000);
  action.process.kill('SIGSTOP');
  // The last host comes to `verified` while nobody is there.
  await expect.poll(() => statesOf(2), { timeout: 60_000 }).toContain('verified');
  action.process.kill('SIGKILL');
  const post = await fleet.post((await action.done).exported.state, given);
  expect(post, post.stdout).toMatchObject({ code: 0 });
  expect(post.summary).toMatch(/^### ✅ shop is live on all 3 hosts/);
  expect(await fleet.served()).toEqual(['2', '2', '2']);
});

test('with rollback-scope host, hosts that are on the new version stay there', async () => {
  fleet.hosts[1]?.breakVersion('2');
  const run = await fleet.deploy({ ...given, 'rollback-scope': 'host' });
  fleet.hosts[1]?.breakVersion(null);
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: '' } });
  expect(outcomes(run)).toEqual(['deployed', 'rolled-back', 'failed']);
  expect(await fleet.served()).toEqual(['2', '1', '1']);
  expect(run.summary).toMatch(/The hosts have different commits/);
  const next = await fleet.deploy(given);
  expect(next, next.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(outcomes(next)).toEqual(['unchanged', 'deployed', 'deployed']);
  expect(next.stdout).toMatch(/The hosts do not have the same commit now: .*host-1; .*host-2, host-3\./);
  expect(await fleet.served()).toEqual(['2', '2', '2']);
});

test('two names of one directory are refused, and nothing is changed', async () => {
  const { access } = fleet.hosts[0]?.host ?? {};
  const entries = `${access?.host}:${access?.port}, localhost:${access?.port}`;
  const key = access?.['known-hosts'] ?? '';
  const run = await fleet.deploy({
    ...given,
    host: entries,
    'known-hosts': `${key}\n${key.replace('127.0.0.1', 'localhost')}`,
  });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain('host-1 and host-2 are the same directory of the same machine');
  expect(run.stdout).not.toMatch(/: locked/);
  expect(await fleet.served()).toEqual(['1', '1', '1']);
});

test('rollback, check and status of all hosts', async () => {
  await expectNextIsGood();
  const status = await fleet.deploy({ mode: 'status', ref: '' });
  expect(status, status.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: shas[1] } });
  expect(status.summary).toMatch(/^### ✅ shop is up on all 3 hosts/);
  const back = await fleet.deploy({ mode: 'rollback', ref: '' });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: shas[0] } });
  expect(await fleet.served()).toEqual(['1', '1', '1']);
  await fleet.hosts[2]?.host.pm2(['delete', 'shop']);
  const check = await fleet.deploy({ ...given, mode: 'check' });
  expect(check, check.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(outcomes(check)).toEqual(['unchanged', 'unchanged', 'failed']);
  // A host that is not well goes first.
  const run = await fleet.deploy(given);
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(run.stdout).toMatch(
    /Going live on host-3\.[\s\S]*Going live on host-1\.[\s\S]*Going live on host-2\./,
  );
});

/** What the last run on a host has entered, by the host's own events. */
function statesOf(host: number): string[] {
  const runs = path.join(fleet.hosts[host]?.host.directory ?? '', '.local/state/pm2-ssh-deploy/runs');
  const files = readdirSync(runs).map((name) => path.join(runs, name, 'events.ndjson'));
  const [last = ''] = files.sort((a, b) => statSync(b).birthtimeMs - statSync(a).birthtimeMs);
  return [...readFileSync(last, 'utf8').matchAll(/"type":"state","state":"([a-z-]+)"/g)].map(([, state]) =>
    String(state),
  );
}
