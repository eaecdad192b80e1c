import type { Git } from './git.ts';

/**
 * For a small server: one core and little memory. Git's own rules say what is garbage: what no ref and no reflog has named for two
 * weeks.
 */
const SPARING = [
  ['gc.auto', '6700'],
  ['gc.autoDetach', 'false'],
  ['gc.autoPackLimit', '20'],
  ['pack.threads', '1'],
  ['pack.windowMemory', '32m'],
].flatMap(([key, value]) => ['-c', `${key}=${value}`]);

/** Each upload brings a pack. Once there are many, git makes one of them, and drops what no version needs any more. */
export async function collectUploads(git: Git): Promise<void> {
  await git.attempt([...SPARING, 'gc', '--auto', '--quiet']);
}
