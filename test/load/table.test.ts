import { expect, test } from 'vitest';
import type { LoadCase } from './cases.ts';
import type { Row } from './lane.ts';
import { tableOf } from './table.ts';

const to = (): Record<string, never> => ({});
const cases: LoadCase[] = [
  { title: 'good', to, outcome: 'deployed' },
  { title: 'bad', to, outcome: 'failed', mayFail: 'this is why.' },
];
const row = (change: Partial<Row>): Row => ({
  ...{ title: 'good', instances: 2, pm2: '7.0.4', sent: 12_345, failed: 0, failures: {}, failingForMs: 0 },
  ...{ outcome: 'deployed', seconds: 9.96, wrong: [], log: '' },
  ...change,
});

test('a line for each case and number of instances, whatever the order of the rows', () => {
  const rows = [
    row({ title: 'bad', pm2: '5.4.3', outcome: 'rolled-back', failed: 7, sent: 900 }),
    row({ instances: 1 }),
    row({}),
  ];
  const table = tableOf(cases, rows);
  expect(table).toBe(`| New version | Instances | Outcome | PM2 5.4.3 | PM2 7.0.4 |
| --- | --- | --- | --- | --- |
| good | 2 | \`deployed\` | not measured | 0 of 12,345, 10.0 s |
| bad [1] | 2 | \`failed\` | \`rolled-back\`, 7 of 900, 10.0 s | not measured |
| good | 1 | \`deployed\` | not measured | 0 of 12,345, 10.0 s |
| bad [1] | 1 | \`failed\` | not measured | not measured |

1. This is why.`);
  expect(tableOf(cases, [...rows].reverse())).toBe(table);
});
