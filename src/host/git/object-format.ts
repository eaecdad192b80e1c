import type { Git } from './git.ts';
import type { Remote } from './remote.ts';

/**
 * Git names objects by SHA-1 (40 hex digits) or by SHA-256 (64). All objects of one repository, of those it fetches from,
 * and of its submodules have the same format: git converts none.
 */
export type ObjectFormat = 'sha1' | 'sha256';

const FULL_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/;

/** Whether text is a full object id, of either format. */
export function isFullId(text: string): boolean {
  return FULL_ID.test(text);
}

/** The format that a full object id is of. */
export function formatOf(id: string): ObjectFormat {
  return id.length === 64 ? 'sha256' : 'sha1';
}

/** Makes an empty repository at git's directory. Git before 2.29 knows SHA-1 alone, and no option to say so. */
export async function initRepository(
  git: Git,
  format: ObjectFormat,
  { bare = false, what = 'Making a repository' } = {},
): Promise<void> {
  const options = [...(bare ? ['--bare'] : []), ...(format === 'sha1' ? [] : [`--object-format=${format}`])];
  await git.text(['init', '--quiet', '--template=', ...options], what);
}

/** The format of a remote repository, by the ids that it lists. One without a branch counts as SHA-1. */
export async function formatOfRemote(remote: Remote): Promise<ObjectFormat> {
  // HEAD may name a branch that does not exist; the whole list may be long.
  for (const names of [['HEAD'], []]) {
    const listing = await remote.text(['ls-remote', '--quiet'], names, 'Asking the repository');
    const [id = ''] = listing.split('\t');
    if (isFullId(id)) return formatOf(id);
  }
  return 'sha1';
}
