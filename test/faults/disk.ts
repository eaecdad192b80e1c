import { execFileSync } from 'node:child_process';
import { closeSync, mkdirSync, mkdtempSync, openSync, rmSync, writeFileSync, writeSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';

/** A filesystem of its own, small enough to be filled. */
export interface Disk extends AsyncDisposable {
  directory: string;
  /** Takes every byte that is left. */
  fill(): void;
  /** Takes every inode that is left. */
  fillInodes(): void;
  /** Gives back what was taken. */
  free(): void;
  readOnly(on: boolean): void;
}

/** Enough for a deploy, and for the 64 MiB that preflight asks for. */
const SIZE = '192m';
const INODES = 20_000;

/** Mounts one. Throws an Error that says what is needed where this user may mount nothing. */
export function mountDisk(): Disk {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'disk-'));
  const options = `size=${SIZE},nr_inodes=${INODES},mode=0755,uid=${process.getuid?.()},gid=${process.getgid?.()}`;
  try {
    asRoot('mount', '-t', 'tmpfs', '-o', options, 'faults', directory);
  } catch (error) {
    rmSync(directory, { recursive: true });
    throw new Error(
      'The faults of a disk need a small filesystem: run this as root, or where `sudo -n mount -t tmpfs` works.',
      { cause: error },
    );
  }
  const filler = path.join(directory, '.filler');
  const manyFiles = path.join(directory, '.fillers');
  const free = (): void => {
    for (const name of [filler, manyFiles]) rmSync(name, { recursive: true, force: true });
  };
  return {
    directory,
    fill() {
      const file = openSync(filler, 'a');
      for (let size = 4 * 2 ** 20; size >= 1; size = Math.floor(size / 2))
        untilFull(() => writeSync(file, Buffer.alloc(size)));
      closeSync(file);
    },
    fillInodes() {
      mkdirSync(manyFiles, { recursive: true });
      let made = 0;
      untilFull(() => {
        made += 1;
        writeFileSync(path.join(manyFiles, String(made)), '');
        return 1;
      });
    },
    free,
    readOnly: (on) => asRoot('mount', '-o', `remount,${on ? 'ro' : 'rw'}`, directory),
    async [Symbol.asyncDispose]() {
      asRoot('umount', directory);
      rmSync(directory, { recursive: true });
    },
  };
}

/** What is written short is written to the end by smaller pieces. */
function untilFull(write: () => number): void {
  try {
    while (write() > 0);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
  }
}

function asRoot(...command: string[]): void {
  const [file = '', ...args] = process.getuid?.() === 0 ? command : ['sudo', '-n', ...command];
  execFileSync(file, args, { stdio: ['ignore', 'ignore', 'pipe'] });
}
