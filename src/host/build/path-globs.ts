import { type Dirent, readdirSync } from 'node:fs';
import { codeOf } from '../swap/rename.ts';

/** Never looked into: no page asks for what is in there. */
const PASSED_OVER = new Set(['.git', 'node_modules']);

/**
 * The files below `top` that a glob names, or that lie in a directory that it names; relative, sorted. `*` and `?` stand for
 * letters of one name, `**` for any directories. No link is followed, and none is given.
 */
export function matchingFiles(top: string, globs: readonly string[]): string[] {
  const found = new Set<string>();
  for (const glob of globs) visit(top, '', glob.split('/'), found);
  return [...found].sort();
}

function visit(top: string, directory: string, [first, ...rest]: string[], found: Set<string>): void {
  const anyDepth = first === '**' || first === undefined;
  if (first === '**' && rest.length > 0) visit(top, directory, rest, found);
  for (const entry of entriesOf(`${top}/${directory}`)) {
    if (PASSED_OVER.has(entry.name) || !(anyDepth || namePattern(first).test(entry.name))) continue;
    const path = directory === '' ? entry.name : `${directory}/${entry.name}`;
    if (entry.isDirectory()) visit(top, path, first === '**' ? [first, ...rest] : rest, found);
    else if (entry.isFile() && rest.length === 0) found.add(path);
  }
}

/** None where there is no directory, or a link, or one that this user may not read. */
function entriesOf(directory: string): Dirent[] {
  try {
    return readdirSync(directory, { withFileTypes: true });
  } catch (error) {
    if (['ENOENT', 'ENOTDIR', 'EACCES'].includes(codeOf(error) ?? '')) return [];
    throw error;
  }
}

/** All but `*` and `?` stand for themselves: frameworks have brackets in the names of directories. */
function namePattern(glob: string): RegExp {
  const source = glob
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${source}$`, 's');
}
