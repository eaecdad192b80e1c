import { expect, test } from 'vitest';
import { tellOfReady } from '../../../src/host/deploy/reload.ts';

test('each instance that gets ready is told once, as long as others are still to come', () => {
  const told: string[] = [];
  const app = { name: 'web', cwd: '/srv', script: 'a.js', exec_mode: 'cluster', instances: 3, env: {} };
  const look = tellOfReady([app], 'new', (text) => told.push(text));
  const now = (...statuses: string[]) =>
    look([
      ...statuses.map((status) => ({ name: 'web', deployId: 'new', status })),
      { name: 'web', deployId: 'old', status: 'online' },
      { name: 'other', deployId: 'new', status: 'online' },
    ]);
  now('launching');
  now('online', 'launching');
  now('online', 'launching');
  now('online', 'online', 'launching');
  now('launching', 'online', 'launching');
  now('online', 'online', 'online');
  expect(told).toEqual(['1 of 3 instances ready', '2 of 3 instances ready']);
});
