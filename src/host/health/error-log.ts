import { closeSync, fstatSync, openSync, readSync, statSync } from 'node:fs';
import type { Instance } from '../pm2/list.ts';
import { LineSplitter } from '../system/line-splitter.ts';

/** How long each error log was, and which file it was, at some moment, by path. Files that were not there are not in it. */
export type LogNotes = Readonly<Record<string, { size: number; inode: number }>>;

/** Bytes that are read of one file, at most: its end. */
const READ = 256 * 1024;

/** Notes how long the error logs of these instances are now. */
export function noteLogSizes(instances: readonly Pick<Instance, 'errLogPath'>[]): LogNotes {
  const notes: Record<string, { size: number; inode: number }> = {};
  for (const path of pathsOf(instances)) {
    try {
      const stat = statSync(path);
      if (stat.isFile()) notes[path] = { size: stat.size, inode: stat.ino };
    } catch {
      // Not there yet: all that it will hold is new.
    }
  }
  return notes;
}

/**
 * The last lines that were added to the error logs of `instances` since `notes`, at most `maxLines` over all files, each file
 * with its share. A file is whole where it is new, was cut or was rotated.
 */
export function readAdded(
  notes: LogNotes,
  instances: readonly Pick<Instance, 'errLogPath'>[],
  maxLines: number,
): string[] {
  const added = [...new Set(pathsOf(instances))]
    .map((path) => linesAdded(path, notes[path]))
    .filter((lines) => lines.length > 0);
  // Those with few lines first, so that what they leave of their share goes to the others.
  const order = [...added].sort((a, b) => a.length - b.length);
  const shares = new Map<string[], number>();
  let left = maxLines;
  order.forEach((lines, at) => {
    const share = Math.min(lines.length, Math.floor(left / (order.length - at)));
    shares.set(lines, share);
    left -= share;
  });
  return added.flatMap((lines) => lines.slice(lines.length - (shares.get(lines) ?? 0)));
}

/** The last lines of these files together, each with its share. */
export function lastLines(paths: readonly (string | null)[], maxLines: number): string[] {
  return readAdded(
    {},
    paths.map((errLogPath) => ({ errLogPath })),
    maxLines,
  );
}

function linesAdded(path: string, note: LogNotes[string] | undefined): string[] {
  let file: number;
  try {
    // A named pipe would wait for a writer for ever.
    if (!statSync(path).isFile()) return [];
    file = openSync(path, 'r');
  } catch {
    return [];
  }
  try {
    const { size, ino } = fstatSync(file);
    const from = note && note.inode === ino && note.size <= size ? note.size : 0;
    const start = Math.max(from, size - READ);
    const bytes = Buffer.alloc(size - start);
    const read = readSync(file, bytes, 0, bytes.length, start);
    const lines: string[] = [];
    const splitter = new LineSplitter((line) => lines.push(line));
    splitter.write(bytes.subarray(0, read));
    splitter.end();
    // The first of a cut text is the rest of a line.
    return (start > from ? lines.slice(1) : lines).filter((line) => line.trim() !== '');
  } catch {
    return [];
  } finally {
    closeSync(file);
  }
}

function pathsOf(instances: readonly Pick<Instance, 'errLogPath'>[]): Set<string> {
  return new Set(instances.flatMap(({ errLogPath }) => errLogPath ?? []));
}
