import { closeSync, existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { runStep } from '../../../src/host/build/steps.ts';
import type { Context } from '../../../src/host/context.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import { DeployFailure } from '../../../src/host/system/failure.ts';
import { type HeldLocks, holderOf, takeLock } from '../../../src/host/system/lock.ts';
import type { StepName } from '../../../src/protocol.ts';

let top: string;
let locks: HeldLocks;
let abort: AbortController;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'steps-'));
  mkdirSync(join(top, 'run'));
  locks = new Set();
  abort = new AbortController();
});
afterEach(() => rmSync(top, { recursive: true, force: true }));

const begun = (): boolean => existsSync(join(top, 'begun'));

function step(name: StepName, command: string): Promise<void> {
  const context = {
    plan: { steps: { [name]: { kind: 'command', command } }, commandTimeout: 60_000 },
    runDir: join(top, 'run'),
    clock: createClock(),
    log: () => {},
    env: { PATH: process.env.PATH },
    runner: { cancelled: abort.signal },
    locks,
  } as unknown as Context;
  return runStep(context, name, { top, workDir: top });
}

const run = { repository: 'o/r', id: '1', attempt: '1', url: 'https://example.com/1', actor: 'ann' };

test.each<[StepName, boolean]>([
  ['migrate', true],
  ['before-reload', true],
  ['build', false],
])('%s keeps the lock of a program that was killed: %s', async (name, keeps) => {
  const files = { own: [], directory: top, note: join(top, 'holder.json') };
  const wait = { timeLimit: 0, cancel: abort.signal, onWait: () => {} };
  const lock = await takeLock(locks, files, run, wait);
  const done = step(name, 'touch begun\nwhile test ! -e end; do sleep 0.05; done');
  await expect.poll(begun).toBe(true);
  // What the kernel does when the program is killed.
  for (const descriptor of lock.descriptors) closeSync(descriptor);
  expect(holderOf(files) !== null).toBe(keeps);
  mkdirSync(join(top, 'end'));
  await done;
  expect(holderOf(files)).toBeNull();
});

test('a command with the line ends of Windows runs as one without', async () => {
  await step('migrate', 'mkdir made\r\ncd made\r\ntouch begun\r\n');
  expect(existsSync(join(top, 'made/begun'))).toBe(true);
});

test('a migration that a cancel stopped is told apart from one that never began', async () => {
  const done = step('migrate', 'touch begun\nsleep 60');
  const failure = done.catch((error: unknown) => error);
  await expect.poll(begun).toBe(true);
  abort.abort(new DeployFailure('Cancelled before the new version went live: by hand.'));
  expect(await failure).toMatchObject({
    message:
      'Cancelled before the new version went live: by hand. The migrate command was stopped before its end.',
    remedy: 'What the command did to the database stays. Look at that before you run the job again.',
  });
});

test('of a migration that the kernel killed, both things to look at are said', async () => {
  await expect(step('migrate', 'kill -9 $$')).rejects.toMatchObject({
    remedy: expect.stringMatching(/memory runs out.*the database stays/),
  });
});

test('no command stays on disk, since it may hold a secret', async () => {
  await step('build', 'true');
  await expect(step('install', 'false')).rejects.toThrow(
    "The install command 'false' ended with exit code 1.",
  );
  expect(readdirSync(join(top, 'run'))).toEqual([]);
});
