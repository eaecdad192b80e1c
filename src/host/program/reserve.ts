import { randomBytes } from 'node:crypto';
import { existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** Enough for the events, the journal, and git's and PM2's files in a rollback. Several files, so that inodes are reserved too. */
const FILES = 16;
const SIZE = 32 * 1024;
/** A disk without room for this many bytes is full. */
const LEAST = 64 * 1024;

const reserve = (runDir: string): string => join(runDir, 'reserve');

/**
 * Reserves disk space for what a deploy has to write at its end, when the disk may be full. Throws if there is none.
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

/** Frees the reserve if the disk is full. Returns whether it did. */
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

/** A disk that has become read-only has nothing to free. */
function remove(path: string): void {
  try {
    rmSync(path, { recursive: true, force: true });
  } catch {
    // The next write reports the problem.
  }
}
