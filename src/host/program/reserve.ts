import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Enough for the events, the journal, git's and PM2's files in a rollback. Files, so that there are inodes, and bytes of each. */
const FILES = 16;
const SIZE = 32 * 1024;
/** A disk without room for this is full. Bytes. */
const LEAST = 64 * 1024;

const reserve = (runDir: string): string => join(runDir, 'reserve');

/**
 * Sets disk space aside for what a deploy has to write at its end, even where the disk is full by then.
 * Throws where there is none to be had.
 */
export function takeReserve(runDir: string): void {
  try {
    mkdirSync(reserve(runDir), { recursive: true, mode: 0o700 });
    for (let n = 0; n < FILES; n++) writeFileSync(join(reserve(runDir), String(n)), randomBytes(SIZE));
  } catch (error) {
    freeReserve(runDir);
    throw error;
  }
}

/** Gives the reserve back where the disk is full by now, and says whether it did. */
export function makeRoom(runDir: string): boolean {
  const probe = join(runDir, 'room');
  try {
    writeFileSync(probe, randomBytes(LEAST), { mode: 0o600 });
    return false;
  } catch {
    const had = existsSync(reserve(runDir));
    freeReserve(runDir);
    return had;
  } finally {
    remove(probe);
  }
}

export function freeReserve(runDir: string): void {
  remove(reserve(runDir));
}

/** On a disk that has become read-only there is nothing to give back. */
function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // What comes next tells.
  }
}
