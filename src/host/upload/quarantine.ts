import { chmodSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { type Git, gitIn } from '../git/git.ts';
import { createClock } from '../system/clock.ts';
import { indexFile, packFile, partOf } from './arrived.ts';
import { CutShort } from './stdin-bytes.ts';

interface Arriving {
  uploads: string;
  deployId: string;
  /** The objects of the repository that the upload adds to; null if there is none yet. */
  objects: string | null;
  env: NodeJS.ProcessEnv;
}

/** As long as the pack comes, in milliseconds: whoever waits for the next piece of it has a limit of its own. */
const NO_LIMIT = 24 * 3_600_000;

/**
 * Has git read a pack while it arrives, in a repository of its own that borrows the objects which are here already. Git makes
 * every check that it has: a name such as `..` or `.git`, an entry that is there twice, or an object that is missing is refused,
 * with a `DeployFailure`. What is whole then waits for the deploy, pack and index; of all else nothing is left.
 */
export async function keepPack(pieces: AsyncIterable<Buffer>, arriving: Arriving): Promise<void> {
  const { uploads, deployId, env } = arriving;
  const part = partOf(uploads, deployId, process.pid);
  try {
    const git = borrow(part, arriving.objects, env);
    const [pack, index] = [join(part, 'pack'), join(part, 'index')];
    let cut: CutShort | null = null;
    const heard = async function* (): AsyncGenerator<Buffer> {
      try {
        yield* pieces;
      } catch (error) {
        // Where git ends before it has read all, its own words count.
        if (!(error instanceof CutShort)) throw error;
        cut = error;
      }
    };
    const args = ['index-pack', '--strict', '--stdin', '-o', index, pack];
    const result = await git.attempt(args, { input: Readable.from(heard()) });
    if (cut !== null) throw cut;
    if (result.code !== 0) throw git.failure(result, 'Reading the upload');
    for (const file of [pack, index]) chmodSync(file, 0o600);
    renameSync(index, indexFile(uploads, deployId));
    // Last: it says that the other one is there too.
    renameSync(pack, packFile(uploads, deployId));
  } finally {
    rmSync(part, { recursive: true, force: true });
  }
}

function borrow(directory: string, objects: string | null, env: NodeJS.ProcessEnv): Git {
  mkdirSync(join(directory, 'objects', 'info'), { recursive: true, mode: 0o700 });
  mkdirSync(join(directory, 'refs'), { mode: 0o700 });
  // All that git takes for a repository.
  writeFileSync(join(directory, 'HEAD'), 'ref: refs/heads/none\n');
  if (objects !== null) writeFileSync(join(directory, 'objects', 'info', 'alternates'), `${objects}\n`);
  const options = { clock: createClock(), timeLimit: NO_LIMIT, locks: new Set<never>() };
  return gitIn(directory, { ...options, env: { ...env, GIT_DIR: directory } });
}
