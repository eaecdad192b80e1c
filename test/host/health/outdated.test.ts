import { expect, test } from 'vitest';
import { outdatedOf } from '../../../src/host/health/outdated.ts';
import type { Instance } from '../../../src/host/pm2/list.ts';
import type { Current } from '../../../src/host/state/current.ts';
import type { Entry } from '../../../src/host/state/journal.ts';
import { bootId } from '../../../src/host/system/processes.ts';

const entry = (deploy: string, sha: string): Entry => ({ deploy, sha, outcome: 'deployed' }) as Entry;
const entries = [entry('d1', 'v1'), entry('d2', 'v2'), entry('d3', 'v2')];
const current = { sha: 'v2', runsAs: 'd3', since: { boot: bootId(), ticks: 100 } } as Current;
const one = (pid: number, deployId: string | null, status = 'online'): Instance =>
  ({ name: 'api', pid, deployId, status }) as Instance;
const started: Record<number, number> = { 1: 50, 2: 50, 3: 150, 4: 50, 5: 50 };
const outdated = (...all: Instance[]): number[] =>
  outdatedOf(all, current, entries, (pid) => started[pid] ?? null).map(({ pid }) => pid);

test('a process counts as outdated if it began before the files came, with another commit', () => {
  expect(outdated(one(1, 'd1'), one(2, null))).toEqual([1, 2]);
  // Restarted since: it booted the new files. Of the same commit, by an earlier deploy or by this one. Not running.
  expect(outdated(one(3, 'd1'), one(4, 'd2'), one(5, 'd3'), one(1, 'd1', 'stopped'), one(9, 'd1'))).toEqual(
    [],
  );
});

test('without a verified deploy, and after a reboot, nothing does', () => {
  expect(outdatedOf([one(1, 'd1')], null, entries, () => 1)).toEqual([]);
  const rebooted = { ...current, since: { boot: 'another', ticks: 100 } };
  expect(outdatedOf([one(1, 'd1')], rebooted, entries, () => 1)).toEqual([]);
});
