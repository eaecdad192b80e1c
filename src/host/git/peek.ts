import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Plan } from '../../protocol.ts';
import { type Git, splitZ } from './git.ts';
import { formatOf } from './object-format.ts';
import { type Access, openRemote } from './remote.ts';
import { inScratch } from './scratch.ts';

/** A larger file is no configuration. A server that cannot leave out files sends all of them. */
const SMALL = '--filter=blob:limit=256k';
/** What an ecosystem file is written in, and what it mostly reads. */
const CONFIGURATION = /\.([cm]?js|json|ya?ml)$/;

/** Some files of a commit. `directories` are relative to its top, '' for the top itself. */
export interface Peek extends Pick<Plan, 'repository'> {
  sha: string;
  directories: readonly string[];
}

/**
 * Lays small files of a commit, of these directories alone and not of any below, into a directory for temporary files, and
 * calls `work` with it, and with the repository that they came from. Null if the server does not hand out this one commit. Writes nothing into git's repository.
 */
export async function peek<T>(
  git: Git,
  gitIn: (directory: string) => Git,
  { sha, repository, directories }: Peek,
  access: Access,
  work: (top: string, scratch: Git) => Promise<T>,
): Promise<T | null> {
  const remote = await openRemote(git, repository, access);
  return inScratch(git, gitIn, formatOf(sha), async (scratch) => {
    const fetched = await remote.attempt(
      ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--depth=1', SMALL],
      [sha],
      scratch,
    );
    if (fetched.code !== 0) return null;
    const top = join(scratch.directory, 'files');
    const missing = await missingObjects(scratch, sha);
    for (const directory of new Set(directories)) {
      mkdirSync(join(top, directory), { recursive: true });
      await layFiles(scratch, { sha, directory, missing, top });
    }
    return work(top, scratch);
  });
}

/** What the server left out: git would fetch each one as soon as it is read. */
async function missingObjects(scratch: Git, sha: string): Promise<Set<string>> {
  const objects = await scratch.attempt(['rev-list', '--objects', '--missing=print', '--max-count=1', sha]);
  const lines = objects.stdout.split('\n').filter((line) => line.startsWith('?'));
  return new Set(lines.map((line) => line.slice(1)));
}

interface Files {
  sha: string;
  directory: string;
  missing: ReadonlySet<string>;
  top: string;
}

async function layFiles(scratch: Git, { sha, directory, missing, top }: Files): Promise<void> {
  const within = directory === '' ? [] : ['--', `${directory}/`];
  const listing = await scratch.attempt(['ls-tree', '-z', '--full-tree', sha, ...within]);
  for (const entry of splitZ(listing.stdout)) {
    const [, id, path] = entry.match(/^100\d{3} blob ([0-9a-f]+)\t(.*)$/s) ?? [];
    if (id === undefined || path === undefined || missing.has(id) || !CONFIGURATION.test(path)) continue;
    const file = await scratch.attempt(['cat-file', 'blob', id]);
    if (file.code === 0) writeFileSync(join(top, path), file.stdout);
  }
}
