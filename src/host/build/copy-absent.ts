import { constants, copyFileSync, lstatSync, mkdirSync, utimesSync } from 'node:fs';
import { codeOf, statOf } from '../swap/rename.ts';
import { parentsOf } from '../swap/tree.ts';

/**
 * A copy, which shares its blocks where the file system can do that. A hard link would let whatever writes to the live file
 * change the version that a rollback brings back.
 */
export function copyIfAbsent(
  path: string,
  live: string,
  staging: string,
): 'copied' | 'unreadable' | 'not copied' {
  if (statOf(`${staging}/${path}`) !== null || !makeParents(path, staging)) return 'not copied';
  try {
    const { atime, mtime } = lstatSync(`${live}/${path}`);
    const { COPYFILE_EXCL, COPYFILE_FICLONE } = constants;
    copyFileSync(`${live}/${path}`, `${staging}/${path}`, COPYFILE_EXCL | COPYFILE_FICLONE);
    // Servers make the ETag of its time.
    utimesSync(`${staging}/${path}`, atime, mtime);
    return 'copied';
  } catch (error) {
    if (codeOf(error) === 'ENOENT') return 'not copied';
    if (codeOf(error) === 'EACCES') return 'unreadable';
    throw error;
  }
}

/** False if the build has something else in the place of a directory. No link is followed out of it. */
function makeParents(path: string, staging: string): boolean {
  const topDown = [...parentsOf([path])].sort((a, b) => a.length - b.length);
  for (const parent of topDown) {
    const there = statOf(`${staging}/${parent}`);
    if (there === null) mkdirSync(`${staging}/${parent}`);
    else if (!there.isDirectory()) return false;
  }
  return true;
}
