import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import type { Git } from './git.ts';
import { initRepository, type ObjectFormat } from './object-format.ts';

/**
 * Works in an empty repository of its own in the directory for temporary files, and removes it afterwards. It has the
 * settings of `live`'s repository, if there is one, so that a remote of that name is reached the same way.
 *
 * Only a fetch tells whether the remote hands a commit out, and only history tells whether a branch contains it. A fetch
 * into `live` would answer too, but would leave objects, refs and perhaps another shallow boundary there.
 */
export async function inScratch<T>(
  live: Git,
  gitIn: (directory: string) => Git,
  format: ObjectFormat,
  work: (scratch: Git) => Promise<T>,
): Promise<T> {
  const directory = mkdtempSync(join(tmpdir(), 'pm2-ssh-deploy-'));
  const remove = (): void => rmSync(directory, { recursive: true, force: true });
  // A check ends with its session, wherever it is.
  process.once('exit', remove);
  try {
    const scratch = gitIn(directory);
    await initRepository(scratch, format, { bare: true, what: 'Making a repository to ask the remote with' });
    const common = await live.attempt(['rev-parse', '--git-common-dir']);
    if (common.code === 0) await borrow(live, scratch, resolve(live.directory, common.stdout.trim()));
    return await work(scratch);
  } finally {
    process.off('exit', remove);
    remove();
  }
}

/** Settings are included, not copied: what they say of the repository's own form does not count then. */
async function borrow(live: Git, scratch: Git, source: string): Promise<void> {
  await scratch.text(['config', 'include.path', join(source, 'config')], 'Reading the settings of git');
  const [shallow, partial] = await Promise.all([
    live.attempt(['rev-parse', '--is-shallow-repository']),
    live.attempt(['config', '--get-regexp', '^(remote\\..*\\.promisor|extensions\\.partialclone)$']),
  ]);
  // To a server, whoever has a commit has all before it: a repository with gaps must not be offered.
  if (shallow.stdout.trim() !== 'false' || partial.code === 0) return;
  writeFileSync(join(scratch.directory, 'objects', 'info', 'alternates'), `${join(source, 'objects')}\n`);
}
