import { randomBytes } from 'node:crypto';
import { existsSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Enough for the events, the journal and PM2's files in a rollback. Bytes. */
const SIZE = 512 * 1024;
/** A disk without room for this is full. Bytes. */
const LEAST = 64 * 1024;

const file = (runDir: string): string => join(runDir, 'reserve');

/**
 * Sets disk space aside for what a deploy has to write at its end, even where the disk is full by then.
 * Throws where there is none to be had.
 */
export function takeReserve(runDir: string): void {
  try {
    writeFileSync(file(runDir), randomBytes(SIZE), { mode: 0o600 });
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
    const had = existsSync(file(runDir));
    freeReserve(runDir);
    return had;
  } finally {
    remove(probe);
  }
}

export function freeReserve(runDir: string): void {
  remove(file(runDir));
}

/** On a disk that has become read-only there is nothing to give back. */
function remove(path: string): void {
  try {
    rmSync(path, { force: true });
  } catch {
    // What comes next tells.
  }
}
