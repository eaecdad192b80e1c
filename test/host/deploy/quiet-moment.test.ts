import { expect, test } from 'vitest';
import { quietIn } from '../../../src/host/deploy/quiet-moment.ts';

test.each([
  ['no restart is due', [], 0],
  ['the next one is far enough', [10_000, 20_000], 0],
  ['one would come in the middle of the reload', [4_000, 64_000], 7_000],
  ['two come soon after each other', [4_000, 12_000, 72_000], 15_000],
  ['the time between two is just enough', [1_000, 14_000], 4_000],
  ['they come so often that no time is left', Array.from({ length: 70 }, (_, n) => n * 2_000), null],
])('%s', (_title, times, wait) => {
  expect(quietIn(times, 10_000, 3_000)).toBe(wait);
});
