import { expect, it } from 'vitest';
import { showable } from '../../../src/runner/connection/lines.ts';

it.each([
  ['\u001b[31mred\u001b[0m \u0007bell', 'red  bell'],
  ['DATABASE=postgres://app:hunter2@db/shop', 'DATABASE=postgres://***@db/shop'],
  ['git from ssh://git@github.com/a', 'git from ssh://git@github.com/a'],
  ['x'.repeat(300), `${'x'.repeat(200)} …`],
])('of %j it shows %j', (line, shown) => {
  expect(showable(line)).toBe(shown);
});

it('takes no time for a line that is made for it', () => {
  const before = process.cpuUsage();
  for (const unit of ['//', '//a', '\u001b]', '@', ' ']) showable(unit.repeat(4_000_000));
  expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_500);
});
