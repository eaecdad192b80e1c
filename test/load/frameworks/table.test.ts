import { expect, test } from 'vitest';
import { FRAMEWORKS } from './apps.ts';
import type { Row } from './lane.ts';
import { notAsPromised, tableOf } from './table.ts';

const row = (change: Partial<Row>): Row => ({
  ...{ framework: 'http', node: 24, pm2: 7, mode: 'fork', shutdown: false },
  ...{ sent: 1_000, failed: 0, failures: {}, again: 0 },
  ...change,
});

test('a line for each form, a cell for each Node over all PM2, and why a request may be lost', () => {
  const rows = [
    row({}),
    row({ pm2: 5, sent: 500 }),
    row({ node: 20, failed: 7 }),
    row({ node: 16, mode: 'cluster', failed: 1 }),
  ];
  const lines = tableOf(FRAMEWORKS.slice(0, 1), rows).split('\n');
  expect(lines.slice(0, 8)).toEqual([
    'Measured: PM2 5 on Node 24; PM2 7 on Node 16, 20, 24.',
    '',
    '| Server | Mode | Own shutdown code | Node 16 | Node 20 | Node 24 |',
    '| --- | --- | --- | --- | --- | --- |',
    '| http | cluster | no | 1 of 1,000 [1] |  |  |',
    '| http | cluster | yes |  |  |  |',
    '| http | fork | no |  | 7 of 1,000 [2] | 0 of 1,500 |',
    '| http | fork | yes |  |  |  |',
  ]);
  expect(lines.slice(8).join('\n')).toMatch(/^\n1\. Node 16 .*\n2\. A Node before 22\.12/);
  expect(notAsPromised(rows)).toEqual([]);
  const bad = [row({ failed: 1 }), row({ node: 20, mode: 'cluster', failed: 1 })];
  expect(notAsPromised([...rows, ...bad])).toEqual(bad);
});
