import { expect, test } from 'vitest';
import type { Verdict } from '../../../src/host/health/health.ts';
import { untilStable } from '../../../src/host/health/verify.ts';

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
  expect(gaps.sort((a, b) => a - b)[gaps.length / 2]).toBeLessThan(400);
});
