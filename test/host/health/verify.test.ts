import { type ChildProcess, spawn } from 'node:child_process';
import { once } from 'node:events';
import { afterEach, expect, test } from 'vitest';
import type { Verdict } from '../../../src/host/health/health.ts';
import { orphansOf, progressOf, untilStable } from '../../../src/host/health/verify.ts';

test('a version that is not healthy yet is looked at again soon', async () => {
  const looks: number[] = [];
  await untilStable(
    async (): Promise<Verdict> => {
      looks.push(performance.now());
      return looks.length > 8 ? { kind: 'healthy' } : { kind: 'pending', why: 'it boots', planned: false };
    },
    { healthTimeout: 60_000, stableFor: 0 },
  );
  const gaps = looks.slice(1).map((at, n) => at - (looks[n] ?? 0));
  expect(gaps.sort((a, b) => a - b)[gaps.length / 2]).toBeLessThan(150);
});

test('who waits hears now and then how far it is', async () => {
  const told: string[] = [];
  let looks = 0;
  const look = async (): Promise<Verdict> =>
    looks++ < 3 ? { kind: 'pending', why: 'it boots', planned: false } : { kind: 'healthy' };
  await untilStable(
    look,
    { healthTimeout: 60_000, stableFor: 600 },
    { tell: (text) => told.push(text), every: 90 },
  );
  expect(told[0]).toBe('not healthy yet: it boots');
  expect(told.at(-1)).toMatch(/ s healthy$/);
  expect(progressOf({ kind: 'healthy' }, 6_012, 10_000)).toBe('6 of 10 s healthy');
});

const children: ChildProcess[] = [];

afterEach(() => {
  for (const child of children.splice(0)) child.kill('SIGKILL');
});

async function startWith(variables: Record<string, string>): Promise<number> {
  const child = spawn('sleep', ['60'], { env: { PATH: process.env.PATH, ...variables }, stdio: 'ignore' });
  children.push(child);
  await once(child, 'spawn');
  return child.pid ?? 0;
}

test('of the children of the daemon, only apps are missed in its list, not its own commands', async () => {
  const inFork = await startWith({ pm_id: '3' });
  const inCluster = await startWith({ pm2_env: '{}' });
  const ownCommand = await startWith({});
  const orphans = orphansOf({ daemonPid: () => process.pid }, []);
  expect(orphans).toEqual(expect.arrayContaining([inFork, inCluster]));
  expect(orphans).not.toContain(ownCommand);
});
