import { spawn } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { takeLock } from '../../../src/host/system/lock.ts';

let directory: string;
let note: string;
beforeEach(() => {
  const scratch = mkdtempSync(join(tmpdir(), 'lock-'));
  directory = join(scratch, 'app');
  note = join(scratch, 'holder.json');
  mkdirSync(directory);
});

const run = { repository: 'o/r', id: '1', attempt: '1', url: 'https://example.com/runs/1', actor: 'ann' };
const take = (
  path: string,
  timeLimit: number,
  cancel = new AbortController().signal,
  onWait: (text: string) => void = () => {},
) => takeLock(new Set(), path, note, run, { timeLimit, cancel, onWait });

it('is held against everybody, through whatever link they come, and says by whom', async () => {
  const lock = await take(directory, 0);
  symlinkSync(directory, `${directory}-link`);
  await expect(take(`${directory}-link`, 0)).rejects.toThrow(
    'held by ann, https://example.com/runs/1'.replace('held by ', ''),
  );
  lock.release();
  (await take(directory, 0)).release();
});

it('is waited for', async () => {
  const first = await take(directory, 0);
  const told: string[] = [];
  const second = take(directory, 30_000, undefined, (text) => told.push(text));
  await expect.poll(() => told.length).toBe(1);
  first.release();
  (await second).release();
  expect(told[0]).toContain('https://example.com/runs/1');
});

it('ends a wait when the deploy is cancelled', async () => {
  const lock = await take(directory, 0);
  const cancel = new AbortController();
  const second = take(directory, 30_000, cancel.signal, () =>
    cancel.abort(new Error('the job was cancelled')),
  );
  await expect(second).rejects.toThrow('the job was cancelled');
  lock.release();
});

it('stays held while a child that was given the descriptor lives, and is free when that ends', async () => {
  const lock = await take(directory, 0);
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', lock.descriptor] });
  lock.release();
  await expect(take(directory, 0)).rejects.toThrow('holds the lock');
  child.stdin?.end();
  (await take(directory, 30_000)).release();
});

it('leaves the lock to whoever holds it when a wait ends without it', async () => {
  const lock = await take(directory, 0);
  await expect(take(directory, 0)).rejects.toThrow();
  await expect(take(directory, 0)).rejects.toThrow('ann');
  lock.release();
});

it('names the process and the user that hold it, also if the one that took it has ended', async () => {
  const child = spawn('flock', [directory, 'cat'], { stdio: ['pipe', 'ignore', 'ignore'] });
  const took = expect.poll(() => take(directory, 0).then((lock) => lock.release(), String));
  await took.toMatch(new RegExp(`process ${child.pid} \\(flock\\) of the user ${userInfo().username}`));
  child.stdin.end();
  const lock = await take(directory, 30_000);
  rmSync(note);
  await expect(take(directory, 0)).rejects.toThrow(`process ${process.pid} (`);
  lock.release();
});

it.runIf(process.getuid?.() === 0)(
  "names another user's process, whatever note an ended deploy has left",
  async () => {
    chmodSync(dirname(directory), 0o755);
    writeFileSync(note, JSON.stringify({ run, since: 'long ago' }));
    const child = spawn('flock', [directory, 'cat'], {
      stdio: ['pipe', 'ignore', 'ignore'],
      uid: 65534,
      gid: 65534,
    });
    await expect
      .poll(() => take(directory, 0).then((lock) => lock.release(), String))
      .toMatch(/process \d+ \(flock\) of the user nobody/);
    child.stdin.end();
    (await take(directory, 30_000)).release();
  },
);
