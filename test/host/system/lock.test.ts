import { spawn } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  closeSync,
  copyFileSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { holderOf, takeLock } from '../../../src/host/system/lock.ts';

let directory: string;
let note: string;
let own: string;
beforeEach(() => {
  const scratch = mkdtempSync(join(tmpdir(), 'lock-'));
  directory = join(scratch, 'app');
  note = join(scratch, 'holder.json');
  own = join(scratch, 'lock');
  mkdirSync(directory);
});

const run = { repository: 'o/r', id: '1', attempt: '1', url: 'https://example.com/runs/1', actor: 'ann' };
const take = (
  path: string,
  timeLimit: number,
  cancel = new AbortController().signal,
  onWait: (text: string) => void = () => {},
) => takeLock(new Set(), { own: [own], directory: path, note }, run, { timeLimit, cancel, onWait });

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

it('stays held after its program died while a child that was given the descriptor lives', async () => {
  const lock = await take(directory, 0);
  const child = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', ...lock.descriptors] });
  for (const descriptor of lock.descriptors) closeSync(descriptor);
  await expect(take(directory, 0)).rejects.toThrow('holds the lock');
  child.stdin?.end();
  (await take(directory, 30_000)).release();
});

it('is free when the deploy ends, whatever a command of it left running', async () => {
  const lock = await take(directory, 0);
  const daemon = spawn('cat', { stdio: ['pipe', 'ignore', 'ignore', ...lock.descriptors] });
  lock.release();
  (await take(directory, 0)).release();
  daemon.stdin?.end();
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

/** Holds the directory's lock alone, as a version of ours did that knew no other, until its stdin ends. */
const holder = (options = {}) =>
  spawn('flock', [directory, 'cat'], { stdio: ['pipe', 'ignore', 'ignore'], ...options });
const ended = (child: ReturnType<typeof spawn>): Promise<number | null> =>
  new Promise((resolve) => child.once('exit', resolve));
const isHeld = (): Promise<boolean> =>
  ended(spawn('flock', ['-n', directory, 'true'])).then((code) => code === 1);

it('keeps a deploy of an older version out, which locks the directory alone, and waits for one', async () => {
  const lock = await take(directory, 0);
  expect(await isHeld()).toBe(true);
  lock.release();
  const older = holder();
  await expect
    .poll(() => take(directory, 0).then((one) => one.release(), String))
    .toContain(`process ${older.pid} `);
  older.stdin?.end();
  (await take(directory, 30_000)).release();
});

const NOBODY = { uid: 65534, gid: 65534 };

describe.runIf(process.getuid?.() === 0)("another user's process", () => {
  beforeEach(() => chmodSync(dirname(directory), 0o755));

  it('is waited for and named if it may write to the directory, whatever note an ended deploy has left', async () => {
    for (const [uid, mode] of [
      [0, 0o777],
      [NOBODY.uid, 0o755],
    ] as const) {
      chownSync(directory, uid, uid);
      chmodSync(directory, mode);
      writeFileSync(note, JSON.stringify({ run, since: 'long ago' }));
      const child = holder(NOBODY);
      await expect
        .poll(() => take(directory, 0).then((lock) => lock.release(), String))
        .toMatch(/process \d+ \(flock\) of the user nobody/);
      child.stdin?.end();
      (await take(directory, 30_000)).release();
    }
  });

  it('that only reads the directory keeps no deploy out, is named, and lets no second deploy in', async () => {
    const child = holder(NOBODY);
    await expect.poll(isHeld).toBe(true);
    expect(holderOf({ own: [own], directory, note })).toBeNull();
    const told: string[] = [];
    const lock = await take(directory, 0, undefined, (text) => told.push(text));
    expect(told).toEqual([
      expect.stringMatching(/held by process \d+ \(flock\) of the user nobody. That is no deploy/),
    ]);
    await expect(take(directory, 0)).rejects.toThrow('another deploy holds the lock');
    expect(holderOf({ own: [own], directory, note })).toContain('ann');
    // As soon as it can be had, the directory's lock is ours, too: an older version knows no other.
    child.stdin?.end();
    await ended(child);
    await expect.poll(isHeld).toBe(true);
    lock.release();
    expect(await isHeld()).toBe(false);
  });

  it('does not become a deploy by sharing the lock, by leaving it to a child, or by starting a program of root', async () => {
    const inherited = `exec 9<${directory}; flock 9; exec cat`;
    const asRoot = join(dirname(directory), 'cat');
    copyFileSync('/bin/cat', asRoot);
    chmodSync(asRoot, 0o4755);
    for (const args of [
      ['flock', '-s', directory, 'cat'],
      ['flock', '--no-fork', directory, asRoot],
      ['sh', '-c', inherited],
    ]) {
      const [program = '', ...rest] = args;
      const child = spawn(program, rest, { stdio: ['pipe', 'ignore', 'ignore'], ...NOBODY });
      await expect.poll(isHeld).toBe(true);
      (await take(directory, 0)).release();
      // A user who is not root cannot look into it.
      const files = { own: [], directory, note };
      chownSync(directory, 1, 1);
      process.seteuid?.(1);
      const holder = holderOf(files);
      process.seteuid?.(0);
      chownSync(directory, 0, 0);
      expect(holder).toBeNull();
      child.stdin.end();
      await ended(child);
    }
  });

  it('cannot open our lock file; the owner of the directory that holds it can', async () => {
    const git = join(directory, '.git');
    mkdirSync(git);
    chownSync(git, NOBODY.uid, NOBODY.gid);
    own = join(git, 'lock');
    (await take(directory, 0)).release();
    const { mode, uid } = statSync(own);
    expect({ mode: mode & 0o777, uid }).toEqual({ mode: 0o600, uid: NOBODY.uid });
    const attempt = (user: object): Promise<number | null> =>
      ended(spawn('flock', ['-n', own, 'true'], user));
    expect(await attempt(NOBODY)).toBe(0);
    expect(await attempt({ uid: 1, gid: 1 })).not.toBe(0);
  });
});
