import { expect, test } from 'vitest';
import type { Instance } from '../../../src/host/pm2/list.ts';
import { isRestarting, saysBusy } from '../../../src/host/pm2/own-restarts.ts';

const NOW = 1_000_000;

test.each<[string, Partial<Instance>, boolean]>([
  ['has run for long', { createdAt: 0, pmUptime: 5 }, false],
  ['was just reloaded', { createdAt: NOW - 60, pmUptime: NOW - 50 }, false],
  ['was just restarted after a crash', { createdAt: 0, pmUptime: NOW - 50 }, true],
  ['crashed some time ago', { createdAt: 0, pmUptime: NOW - 2_000 }, false],
  ['is not ready yet', { createdAt: 0, pmUptime: 5, status: 'launching' }, true],
  ['is being stopped', { createdAt: 0, pmUptime: 5, status: 'stopping' }, true],
  ['is down for good', { createdAt: 0, pmUptime: 5, status: 'errored' }, false],
])('an instance that %s', (_, one, restarting) => {
  expect(isRestarting({ status: 'online', ...one } as Instance, NOW)).toBe(restarting);
});

test.each([
  '[PM2][ERROR] process already started',
  '[PM2][ERROR] Process with pid 4711 already exists',
  '[PM2][ERROR] Reload already in progress for process id 0, retry later',
])('PM2 left an instance out: %s', (line) => {
  expect(saysBusy(line)).toBe(true);
  expect(saysBusy('[PM2] [shop](0) ✓')).toBe(false);
});
