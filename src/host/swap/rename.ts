import { type BigIntStats, linkSync, lstatSync, renameSync, unlinkSync } from 'node:fs';

/** Called after each single change of a directory, for a test to stop the program there. */
export type OnStep = () => void;

const IN_THE_WAY = new Set(['EEXIST', 'ENOTEMPTY', 'ENOTDIR', 'EISDIR']);

/** What is at a path, a link itself and not what it names; null if nothing is, or a parent is no directory. */
export function statOf(path: string): BigIntStats | null {
  try {
    return lstatSync(path, { bigint: true, throwIfNoEntry: false }) ?? null;
  } catch (error) {
    if (codeOf(error) === 'ENOTDIR') return null;
    throw error;
  }
}

/** Whether two paths name one file, as a kill between the two halves of `renameIfFree` leaves them. */
export function isSameFile(one: BigIntStats | null, other: BigIntStats | null): boolean {
  return one !== null && other !== null && one.isFile() && one.ino === other.ino && one.dev === other.dev;
}

/**
 * Renames without replacing anything but an empty directory, and says whether it could. `rename` alone would replace a
 * file that is written at this very moment, so that a file is first given its second name and then loses its first.
 */
export function renameIfFree(from: string, to: string, onStep: OnStep): boolean {
  const stat = lstatSync(from);
  try {
    if (stat.isFile()) {
      if (addName(from, to)) {
        onStep();
        removeName(from, onStep);
        return true;
      }
      if (statOf(to) !== null) return false;
    }
    renameSync(from, to);
  } catch (error) {
    if (IN_THE_WAY.has(codeOf(error))) return false;
    throw error;
  }
  onStep();
  return true;
}

export function removeName(path: string, onStep: OnStep): void {
  unlinkSync(path);
  onStep();
}

export function codeOf(error: unknown): string {
  return (error as NodeJS.ErrnoException).code ?? '';
}

/** False if the filesystem, or a rule about other users' files, allows no second name. */
function addName(file: string, name: string): boolean {
  try {
    linkSync(file, name);
    return true;
  } catch (error) {
    if (codeOf(error) === 'EEXIST') throw error;
    return false;
  }
}
