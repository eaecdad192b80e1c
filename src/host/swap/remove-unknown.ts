import { readdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import type { KnownDirectory } from './known-tree.ts';

/** Removes from staging what the version does not have: links, and what a canary wrote there. No link is followed. */
export function removeUnknown(staging: string, version: KnownDirectory): void {
  const visit = (directory: string, known: KnownDirectory): void => {
    for (const entry of readdirSync(join(staging, directory), { withFileTypes: true })) {
      if (directory === '' && entry.name === '.git') continue;
      const path = join(directory, entry.name);
      const there = known.entries.get(entry.name);
      const same = there !== undefined && entry.isDirectory() === (there.kind === 'directory');
      if (!same) rmSync(join(staging, path), { recursive: true, force: true });
      else if (there.kind === 'directory') visit(path, there);
    }
  };
  visit('', version);
}
