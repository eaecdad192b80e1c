import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { createFleet, type Fleet } from '../rig/fleet.ts';

/** What the action says of each host. */
const outcomes = (run: ActionRun): [string, string][] =>
  (JSON.parse(run.outputs.hosts ?? '[]') as { host: string; outcome: string }[]).map(({ host, outcome }) => [
    host,
    outcome,
  ]);

const errorsOf = (run: ActionRun): string[] =>
  run.commands.filter(({ name }) => name === 'error').map(({ data }) => data);

/** Three hosts live through a row of deploys: each test leaves them to the next one. */
describe('three hosts as one deploy', () => {
  let fleet: Fleet;
  const shas: string[] = [];

  beforeAll(async () => {
    fleet = await createFleet(3);
    shas.push(fleet.commit('1'), fleet.commit('2'));
  });
  afterAll(() => fleet?.stop());

  const pidsOf = (): Promise<number[][]> => Promise.all(fleet.hosts.map(({ host }) => host.pids('shop')));

  test('a good version goes live on one host, then on the others; a branch is one commit for all', async () => {
    const run = await fleet.deploy({ ref: shas[0] ?? '', 'migrate-command': 'echo migrated' });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: shas[0] } });
    expect(outcomes(run)).toEqual([
      ['host-1', 'deployed'],
      ['host-2', 'deployed'],
      ['host-3', 'deployed'],
    ]);
    expect(await fleet.served()).toEqual(['1', '1', '1']);
    expect(run.stdout.match(/\| migrated/g)).toHaveLength(1);
    const at = (text: RegExp): number => run.stdout.search(text);
    expect(at(/host-1: verified/)).toBeGreaterThan(0);
    expect(at(/host-2: canary|host-2: activating/)).toBeGreaterThan(at(/host-1: verified/));
    expect(at(/host-3: activating/)).toBeGreaterThan(at(/host-2: verified/));
    expect(at(/host-1: committed/)).toBeGreaterThan(at(/host-3: verified/));
    expect(run.summary).toMatch(/^### ✅ shop is live on all 3 hosts at /);
    expect(run.exported.state.settled).toBe('true');
  });

  test('a build that fails on one host: nothing is activated anywhere, and all locks are gone', async () => {
    const pids = await pidsOf();
    fleet.hosts[1]?.breakBuild(true);
    const run = await fleet.deploy({ ref: shas[1] ?? '' });
    fleet.hosts[1]?.breakBuild(false);
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed', sha: shas[0] } });
    expect(run.stdout).not.toMatch(/: activating/);
    expect(await pidsOf()).toEqual(pids);
    expect(errorsOf(run)).toEqual([
      expect.stringMatching(/^host-2: Failed in staged: /),
      expect.stringMatching(/^shop .* host-2 failed in staged\.$/),
    ]);
    expect(run.summary).toMatch(/Gave up, or went back, with the others: host-1, host-3\./);
    for (const { host, live } of fleet.hosts) {
      await expect.poll(() => spawnSync('flock', ['-n', live, 'true']).status).toBe(0);
      await expect.poll(() => spawnSync('flock', ['-n', host.pm2Home, 'true']).status).toBe(0);
    }
  });

  test('a version that fails on the third host alone: all are back on the old one, each verified', async () => {
    fleet.hosts[2]?.breakVersion('2');
    const run = await fleet.deploy({
      ref: shas[1] ?? '',
      'before-reload-command': 'echo out >> ~/service',
      'after-reload-command': 'echo in >> ~/service',
    });
    fleet.hosts[2]?.breakVersion(null);
    expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: shas[0] } });
    expect(outcomes(run).map(([, outcome]) => outcome)).toEqual(Array(3).fill('rolled-back'));
    expect(await fleet.served()).toEqual(['1', '1', '1']);
    const at = (text: RegExp): number => run.stdout.search(text);
    expect(at(/host-2: rolling-back/)).toBeGreaterThan(at(/host-3: rolled-back/));
    expect(at(/host-1: rolling-back/)).toBeGreaterThan(at(/host-2: rolled-back/));
    expect(run.stdout).toContain('host-1: All hosts go back together, because host-3 failed in activating.');
    expect(run.summary).toMatch(/2 cannot boot here/);
    for (const { host } of fleet.hosts) expect(await host.instances('shop')).toHaveLength(2);
    // A host serves again while it waits for the others, and leaves once more to go back.
    const service = fleet.hosts.map(({ host }) => readFileSync(path.join(host.directory, 'service'), 'utf8'));
    expect(service).toEqual(['out\nin\nout\nin\n', 'out\nin\nout\nin\n', 'out\nin\n']);
  });
});
