import {
  chmodSync,
  closeSync,
  copyFileSync,
  existsSync,
  fstatSync,
  mkdirSync,
  openSync,
  readSync,
  renameSync,
  rmSync,
} from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import type { Context } from '../context.ts';
import { isWhole } from '../git/fetch.ts';
import { sync } from '../system/durable.ts';
import { DeployFailure } from '../system/failure.ts';
import { indexFile, packFile, uploadsIn } from './arrived.ts';

/** Bytes. */
const DIGEST = 20;

/** Puts the upload that has arrived for this deploy, and that git has checked, into the repository at `path`, as the commit `sha`. */
export async function takeInUpload({ plan, places, git }: Context, sha: string): Promise<void> {
  const uploads = uploadsIn(dirname(places.state));
  const pack = packFile(uploads, plan.deployId);
  if (existsSync(pack)) {
    const path = await git.text(['rev-parse', '--git-path', 'objects/pack'], 'Reading the repository');
    const target = join(resolve(git.directory, path.trim()), `pack-${digestOf(pack)}`);
    mkdirSync(dirname(target), { recursive: true });
    // Git takes a pack for there once its index is.
    place(pack, `${target}.pack`);
    place(indexFile(uploads, plan.deployId), `${target}.idx`);
  }
  if (await isWhole(git, sha)) return;
  throw new DeployFailure(`The upload ${sha} is not on this host as a whole.`, {
    remedy: 'Run the job again. It sends what is missing.',
  });
}

/** A pack's own digest, at its end: git names it so. */
function digestOf(pack: string): string {
  const descriptor = openSync(pack, 'r');
  try {
    const digest = Buffer.alloc(DIGEST);
    readSync(descriptor, digest, 0, DIGEST, fstatSync(descriptor).size - DIGEST);
    return digest.toString('hex');
  } finally {
    closeSync(descriptor);
  }
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
