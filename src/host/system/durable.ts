import {
  closeSync,
  fstatSync,
  fsyncSync,
  ftruncateSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs';
import { dirname } from 'node:path';

/** Replaces a file. A power cut or a full disk leaves the old content or the new one, never a part. Mode 0600. */
export function writeDurably(file: string, content: string | Buffer): void {
  const aside = `${file}.new`;
  rmSync(aside, { force: true });
  try {
    const descriptor = openSync(aside, 'wx', 0o600);
    try {
      writeWhole(descriptor, Buffer.from(content));
      fsyncSync(descriptor);
    } finally {
      closeSync(descriptor);
    }
    renameSync(aside, file);
  } catch (error) {
    rmSync(aside, { force: true });
    throw error;
  }
  sync(dirname(file));
}

/** Adds the whole text to a file, or nothing. Returns once it is on disk. Mode 0600. */
export function appendDurably(file: string, text: string): void {
  const descriptor = openSync(file, 'a', 0o600);
  try {
    const { size } = fstatSync(descriptor);
    try {
      writeWhole(descriptor, Buffer.from(text));
    } catch (error) {
      ftruncateSync(descriptor, size);
      throw error;
    }
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The kernel may take only a part of a large text, or if the disk is nearly full. The next write then says why. */
function writeWhole(descriptor: number, bytes: Buffer): void {
  for (let at = 0; at < bytes.length; ) at += writeSync(descriptor, bytes, at);
}

/** Returns once the file's content, or the directory's list of names, is on disk. */
export function sync(path: string): void {
  const descriptor = openSync(path, 'r');
  try {
    fsyncSync(descriptor);
  } finally {
    closeSync(descriptor);
  }
}

/** The file's text, or null if there is no file. */
export function readIfThere(file: string): string | null {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
