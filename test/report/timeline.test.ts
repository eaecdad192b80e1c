import { expect, test } from 'vitest';
import { timeline } from '../../src/report/timeline.ts';
import { failure, result } from './results.ts';

const states = (
  ['preflight', 'staged', 'activating', 'verifying', 'rolling-back', 'rolled-back'] as const
).map((state, at) => ({ state, atMs: at * 1_000 }));

test('it draws each state from its entry to the next, and the one that failed as such', () => {
  const ended = result({ outcome: 'rolled-back', failure: failure(), states, durationMs: 5_010 });
  expect(timeline(ended)?.split('\n')).toEqual([
    'gantt',
    '  dateFormat x',
    '  axisFormat %M:%S',
    '  tickInterval 1second',
    '  look at the server :done, 0, 1000',
    '  install and build aside :done, 1000, 2000',
    '  swap, PM2 reload :active, 2000, 3000',
    '  watched :crit, 3000, 4000',
    '  old version back, PM2 reload :active, 4000, 5000',
  ]);
});

test('with too little to draw there is none', () => {
  expect(timeline(result({ states: [], durationMs: 9_000 }))).toBeNull();
  expect(timeline(result({ states, durationMs: 500 }))).toBeNull();
});
