import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { SHA } from '../report/results.ts';
import { type ActionRun, startAction } from '../rig/action.ts';
import { startSimulatedHosts } from '../rig/simulated-hosts.ts';

/** The real action with hosts that answer at once: what its own part takes, in MiB and seconds. */
async function measure(
  access: Record<string, string>,
): Promise<{ run: ActionRun; most: number; seconds: number }> {
  const inputs = { ...access, path: '~/shop', ref: SHA, 'max-parallel': '25%', 'stable-for': '0s' };
  const action = startAction({ inputs });
  let most = 0;
  let seconds = 0;
  const look = setInterval(() => {
    try {
      const status = readFileSync(`/proc/${action.process.pid}/status`, 'utf8');
      most = Math.max(most, Number(/VmHWM:\s+(\d+)/.exec(status)?.[1] ?? 0) / 1024);
      const [user = 0, system = 0] = readFileSync(`/proc/${action.process.pid}/stat`, 'utf8')
        .split(' ')
        .slice(13)
        .map(Number);
      seconds = (user + system) / 100;
    } catch {
      // It has ended.
    }
  }, 20);
  const run = await action.done;
  clearInterval(look);
  return { run, most, seconds };
}

test('time and memory of the runner grow no faster than the number of hosts', async () => {
  await using hosts = await startSimulatedHosts();
  const measured = new Map<number, { most: number; seconds: number }>();
  for (const count of [1, 10, 50, 200]) {
    const { run, ...figures } = await measure(hosts.access(count));
    expect(run, run.stdout.slice(-3_000)).toMatchObject({
      code: 0,
      outputs: { outcome: 'deployed', sha: SHA },
    });
    measured.set(count, figures);
    console.log(
      `${count} hosts: ${figures.most.toFixed(0)} MiB, ${figures.seconds.toFixed(1)} s of CPU, ${(run.durationMs / 1000).toFixed(1)} s`,
    );
  }
  // An sshd turns away more than ten connections without a login (MaxStartups).
  expect(hosts.mostAtOnce()).toBeLessThanOrEqual(5);
  const of = (count: number): { most: number; seconds: number } =>
    measured.get(count) ?? { most: Number.NaN, seconds: Number.NaN };
  const each = (from: number, to: number, what: 'most' | 'seconds'): number =>
    (of(to)[what] - of(from)[what]) / (to - from);
  // What Node itself takes differs from one Node to the next.
  expect(of(50).most - of(1).most).toBeLessThan(40);
  expect(each(10, 50, 'most')).toBeLessThan(1);
  expect(each(50, 200, 'most')).toBeLessThan(1);
  expect(each(50, 200, 'seconds')).toBeLessThan(2 * each(10, 50, 'seconds') + 0.02);
});
