import { copyFileSync, existsSync, mkdirSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { type Git, splitZ } from '../git/git.ts';

/** `.env*` files that git does not know are shown to the build as copies: a build that writes to one changes no live file. */
export async function showEnvFiles(
  live: string,
  staging: string,
  liveGit: Git,
  directories: readonly string[],
): Promise<string[]> {
  const tracked = new Set(splitZ((await liveGit.attempt(['ls-files', '-z'])).stdout));
  const shown: string[] = [];
  for (const directory of new Set(directories)) {
    for (const name of envFilesIn(join(live, directory))) {
      const path = directory === '' ? name : `${directory}/${name}`;
      if (tracked.has(path) || existsSync(join(staging, path))) continue;
      mkdirSync(join(staging, directory), { recursive: true });
      copyFileSync(join(live, path), join(staging, path));
      shown.push(path);
    }
  }
  return shown;
}

/** Names of the files in a directory that begin with `.env`; sorted. A directory of that name, or a dangling link, is none. */
export function envFilesIn(directory: string): string[] {
  const names = existsSync(directory) ? readdirSync(directory) : [];
  const isFile = (name: string): boolean =>
    statSync(join(directory, name), { throwIfNoEntry: false })?.isFile() ?? false;
  return names.filter((name) => name.startsWith('.env') && isFile(name)).sort();
}

/** Takes the copies away again, so that they are no part of what the build made. */
export function hideEnvFiles(staging: string, shown: readonly string[]): void {
  for (const path of shown) rmSync(join(staging, path), { force: true });
}
