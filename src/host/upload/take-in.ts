import { chmodSync, copyFileSync, existsSync, mkdirSync, renameSync, rmSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Context } from '../context.ts';
import { isWhole } from '../git/fetch.ts';
import { sync } from '../system/durable.ts';
import { DeployFailure } from '../system/failure.ts';
import { packFile, uploadsIn } from './arrived.ts';

/**
 * Puts the upload that has arrived for this deploy into the repository at `path`, as the commit `sha`. Git reads it with every
 * check that it has: a name such as `..` or `.git`, an entry that is there twice, or an object that is missing is refused.
 */
export async function takeInUpload({ plan, places, git }: Context, sha: string): Promise<void> {
  const pack = packFile(uploadsIn(dirname(places.state)), plan.deployId);
  if (existsSync(pack)) {
    const index = pack.replace(/pack$/, 'idx');
    const what = 'Reading the upload';
    const name = (await git.text(['index-pack', '--strict', '-o', index, pack], what)).trim();
    const directory = (await git.text(['rev-parse', '--git-path', 'objects/pack'], what)).trim();
    const target = join(resolve(git.directory, directory), `pack-${name}`);
    mkdirSync(dirname(target), { recursive: true });
    // Git takes a pack for there once its index is.
    place(pack, `${target}.pack`);
    place(index, `${target}.idx`);
  }
  if (await isWhole(git, sha)) return;
  throw new DeployFailure(`The upload ${sha} is not on this host as a whole.`, {
    remedy: 'Run the job again. It sends what is missing.',
  });
}

/** On the disk as a whole, or not there: the repository must not hold half a pack after a power loss. */
function place(from: string, to: string): void {
  chmodSync(from, 0o444);
  sync(from);
  try {
    renameSync(from, to);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'EXDEV') throw error;
    copyFileSync(from, `${to}.pm2-ssh-deploy`);
    sync(`${to}.pm2-ssh-deploy`);
    renameSync(`${to}.pm2-ssh-deploy`, to);
    rmSync(from);
  }
}
