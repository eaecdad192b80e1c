import type { Plan } from '../../protocol.ts';
import { type Git, splitZ } from './git.ts';
import { formatOf } from './object-format.ts';
import { type Access, openRemote } from './remote.ts';
import { inScratch } from './scratch.ts';

/** What lies between two commits. */
export interface Difference {
  /** How many commits the new one has that the old one has not, and the other way round. */
  ahead: number;
  behind: number;
  /** The newest of those ahead, `<short id> <subject>`. */
  newest: string[];
  /** Paths that differ, each after `A`, `M`, `D` or `T` and a blank. */
  files: string[];
}

const NEWEST = 5;

/**
 * Asks the repository what lies between the commit `from`, which is checked out, and `sha`. Writes nothing into git's
 * repository. Null if the server does not tell, or the checkout has no whole history.
 */
export async function differenceTo(
  git: Git,
  gitIn: (directory: string) => Git,
  { from, sha, repository }: { from: string; sha: string } & Pick<Plan, 'repository'>,
  access: Access,
): Promise<Difference | null> {
  const remote = await openRemote(git, repository, access);
  return inScratch(git, gitIn, formatOf(sha), async (scratch) => {
    const flags = ['fetch', '--quiet', '--no-tags', '--no-recurse-submodules', '--filter=blob:none'];
    if ((await remote.attempt(flags, [sha], scratch)).code !== 0) return null;
    const [counts, newest, files] = await Promise.all([
      scratch.attempt(['rev-list', '--left-right', '--count', `${from}...${sha}`]),
      scratch.attempt(['log', `-${NEWEST}`, '--no-show-signature', '--format=%h %s', `${from}..${sha}`]),
      scratch.attempt(['diff-tree', '-r', '-z', '--no-renames', '--name-status', from, sha]),
    ]);
    if (counts.code !== 0 || newest.code !== 0 || files.code !== 0) return null;
    const [behind = 0, ahead = 0] = counts.stdout.trim().split(/\s+/).map(Number);
    const words = splitZ(files.stdout);
    return {
      ahead,
      behind,
      newest: newest.stdout.split('\n').filter(Boolean),
      files: words.flatMap((word, at) => (at % 2 === 0 ? [`${word} ${words[at + 1] ?? ''}`] : [])),
    };
  });
}
