import { accessSync, constants, lstatSync, realpathSync } from 'node:fs';
import { dirname, isAbsolute, relative } from 'node:path';

/** Whether `path` is `directory` or lies in it; both absolute. */
export function isWithin(directory: string, path: string): boolean {
  const way = relative(directory, path);
  return way !== '..' && !way.startsWith('../') && !isAbsolute(way);
}

/** The way from `top`, a real path, to an absolute one, through whatever link that names `top`. Null if it does not lie there. */
export function below(top: string, path: string): string | null {
  for (let directory = path; ; directory = dirname(directory)) {
    if (realOrSame(directory) === top) return relative(directory, path);
    if (directory === dirname(directory)) return null;
  }
}

/** Whether something is there, a dangling link included. */
export function exists(path: string): boolean {
  try {
    lstatSync(path);
    return true;
  } catch {
    return false;
  }
}

/** With every link resolved, or as it is where there is nothing. */
export function realOrSame(path: string): string {
  try {
    return realpathSync(path);
  } catch {
    return path;
  }
}

/** Whether this user may make and remove entries in a directory. */
export function isWritable(directory: string): boolean {
  return allows(directory, constants.W_OK | constants.X_OK);
}

/** Whether this user may execute a file. */
export function isExecutable(file: string): boolean {
  return allows(file, constants.X_OK);
}

function allows(path: string, mode: number): boolean {
  try {
    accessSync(path, mode);
    return true;
  } catch {
    return false;
  }
}
