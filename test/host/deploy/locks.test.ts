import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import type { Context } from '../../../src/host/context.ts';
import { lockHolders, lockKeepers, takeAppLock, takePm2Lock } from '../../../src/host/deploy/locks.ts';
import { standsAlone } from '../../../src/host/program/control.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import { somePlan } from '../../rig/plan.ts';

let scratch: string;
let notices: string[];
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'locks-'));
  notices = [];
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

/** A deploy of an app of the one PM2. */
function deploy(app: string, lockTimeout: number): Context {
  const state = join(scratch, 'state', app);
  return {
    plan: somePlan({
      lockTimeout,
      run: { repository: 'o/r', id: '7', attempt: '1', url: `https://example.com/${app}`, actor: 'ann' },
    }),
    places: { top: join(scratch, app), live: join(scratch, app), workDir: '', beside: '', state },
    clock: createClock(),
    locks: new Set(),
    runner: standsAlone(),
    pm2: { home: join(scratch, '.pm2') },
    log: (event: { text: string }) => notices.push(event.text),
  } as unknown as Context;
}

it('two apps of one PM2 are built side by side, and reloaded one after the other', async () => {
  const [one, other] = [deploy('one', 10_000), deploy('other', 10_000)];
  const locks = [await takeAppLock(one), await takeAppLock(other)];
  const first = await takePm2Lock(one);
  const waiting = takePm2Lock(other);
  await expect
    .poll(() => notices)
    .toEqual([
      expect.stringMatching(/Waiting for the lock of .*\.pm2: held by ann, https:\/\/example.com\/one/),
    ]);
  first.release();
  const second = await waiting;
  expect(other.clock.spent.lock).toBeGreaterThan(400);
  for (const lock of [second, ...locks]) lock.release();
  expect(readdirSync(join(scratch, 'state')).filter((name) => name.endsWith('.json'))).toEqual([]);
});

it("names the processes that hold an app's lock: its program, and what that gave it to", async () => {
  const one = deploy('one', 10_000);
  const lock = await takeAppLock(one);
  expect(lockKeepers(one)).toEqual([process.pid]);
  const child = spawn('sleep', ['100'], { stdio: ['ignore', 'ignore', 'ignore', ...lock.descriptors] });
  await once(child, 'spawn');
  expect(new Set(lockKeepers(one))).toEqual(new Set([process.pid, child.pid]));
  // What the kernel does when the program is killed.
  for (const descriptor of lock.descriptors) closeSync(descriptor);
  expect(lockKeepers(one)).toEqual([child.pid]);
  child.kill('SIGKILL');
  await expect.poll(() => lockKeepers(one)).toEqual([]);
});

it('waits for both locks no longer than lock-timeout in all, and leaves the note of another alone', async () => {
  const one = deploy('one', 10_000);
  const appOfOne = await takeAppLock(one);
  const held = await takePm2Lock(one);
  const other = deploy('other', 10_000);
  const app = await takeAppLock(other);
  other.clock.spent.lock = 9_700;
  const started = performance.now();
  await expect(takePm2Lock(other)).rejects.toThrow(/held|holds/);
  expect(performance.now() - started).toBeLessThan(6_000);
  expect(lockHolders(other)).toEqual([
    expect.stringContaining('A deploy is running here: ann, https://example.com/other'),
  ]);
  app.release();
  expect(lockHolders(other)).toEqual([
    expect.stringContaining('another app in this PM2 is running: ann, https://example.com/one'),
  ]);
  held.release();
  appOfOne.release();
  expect(lockHolders(other)).toEqual([]);
});

it('looking for a holder makes nothing where there is nothing', () => {
  mkdirSync(join(scratch, 'empty'));
  expect(lockHolders(deploy('absent', 0))).toEqual([]);
  expect(readdirSync(scratch)).toEqual(['empty']);
});
