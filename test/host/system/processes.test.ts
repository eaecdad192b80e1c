import { spawn, spawnSync } from 'node:child_process';
import { copyFileSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import {
  bootId,
  childrenOf,
  descendantsOf,
  isAlive,
  startedSince,
  startTicks,
  ticksNow,
} from '../../../src/host/system/processes.ts';

test('a process starts between the ticks of before and after, and is gone after its end', async () => {
  const before = ticksNow();
  const child = spawn('sleep', ['100']);
  const pid = child.pid ?? 0;
  const after = ticksNow();
  expect(startTicks(pid)).toBeGreaterThanOrEqual(before);
  expect(startTicks(pid)).toBeLessThanOrEqual(after);
  expect(startTicks(process.pid)).toBeLessThanOrEqual(before);
  expect(isAlive(pid)).toBe(true);
  expect(childrenOf(process.pid)).toContain(pid);
  const ended = new Promise((resolve) => child.once('exit', resolve));
  child.kill('SIGKILL');
  await ended;
  expect(isAlive(pid)).toBe(false);
  expect(startTicks(pid)).toBeNull();
  expect(childrenOf(pid)).toEqual([]);
});

test('a name with blanks and parentheses does not confuse', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'ps-'));
  const program = join(dir, 'a ) S 1 (b');
  copyFileSync('/bin/sleep', program);
  const child = spawn(program, ['100']);
  try {
    expect(startTicks(child.pid ?? 0)).toBeGreaterThan(1);
    expect(Math.abs((startTicks(child.pid ?? 0) ?? 0) - ticksNow())).toBeLessThan(1_000);
  } finally {
    child.kill('SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
    rmSync(dir, { recursive: true });
  }
});

test('an app behind npm or a shell is found among the descendants', async () => {
  const child = spawn('sh', ['-c', 'sh -c "sleep 100; :"; :'], { detached: true });
  try {
    await expect.poll(() => descendantsOf(child.pid ?? 0)).toHaveLength(2);
    expect(childrenOf(child.pid ?? 0)).toHaveLength(1);
  } finally {
    if (child.pid) process.kill(-child.pid, 'SIGKILL');
    await new Promise((resolve) => child.once('exit', resolve));
  }
});

test('a process that has ended and was not waited for is not alive', async () => {
  // The shell becomes a program that never asks after its child.
  const parent = spawn('sh', ['-c', ': & exec sleep 100']);
  try {
    await expect
      .poll(() => childrenOf(parent.pid ?? 0).map((pid) => [isAlive(pid), startTicks(pid) !== null]))
      .toEqual([[false, true]]);
  } finally {
    parent.kill('SIGKILL');
    await new Promise((resolve) => parent.once('exit', resolve));
  }
});

test('names no process by a pid that is none', () => {
  expect([0, -1, 1.5, Number.NaN].map(isAlive)).toEqual([false, false, false, false]);
  expect(startTicks(2 ** 30)).toBeNull();
});

test('a process that started before a moment, or has ended, was not started since', async () => {
  const now = { boot: bootId(), ticks: ticksNow() };
  expect(startedSince(process.pid, now)).toBe(false);
  expect(startedSince(process.pid, { ...now, ticks: (startTicks(process.pid) ?? 0) - 1 })).toBe(true);
  // After a reboot every process is a later one.
  expect(startedSince(process.pid, { ...now, boot: 'another' })).toBe(true);
  expect(startedSince(2 ** 30, { ...now, boot: 'another' })).toBe(false);
});

test('a boot has one id', () => {
  expect(bootId()).toMatch(/^[0-9a-f-]{36}$/);
  const other = spawnSync('cat', ['/proc/sys/kernel/random/boot_id'], { encoding: 'utf8' });
  expect(other.stdout.trim()).toBe(bootId());
});
