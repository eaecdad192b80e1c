import { openSync, readFileSync } from 'node:fs';
import { join } from 'node:path';

const LINES = 20;
const TAIL = 16 * 1024;

/** Opens the file for what the host program prints, such as the reason for a crash. */
export function openProgramLog(runDir: string): number {
  return openSync(file(runDir), 'a', 0o600);
}

/** The last lines of that file. */
export function programLog(runDir: string): string[] {
  try {
    const text = readFileSync(file(runDir)).subarray(-TAIL).toString('utf8');
    return text
      .split('\n')
      .filter((line) => line !== '')
      .slice(-LINES);
  } catch {
    return [];
  }
}

const file = (runDir: string): string => join(runDir, 'stderr.log');
