import { BadValue } from './bad-value.ts';

const TAKES = 'a branch, a tag or a full commit id';
const FULL_ID = /^(?:[0-9a-f]{40}|[0-9a-f]{64})$/i;

/** Whether text is a full commit id that names a commit: all zeros stand for "none". */
export function isCommitId(text: string): boolean {
  return FULL_ID.test(text) && !/^0+$/.test(text);
}

/** Reads a commit id (then in lower case) or a name that git itself would take for a branch or tag. */
export function parseRef(text: string): string {
  if (FULL_ID.test(text)) {
    if (!isCommitId(text)) throw new BadValue('it is all zeros, which names no commit', TAKES);
    return text.toLowerCase();
  }
  const why = whyNoRefName(text);
  if (why !== null) throw new BadValue(why, TAKES, 'Give the name as `git branch` or `git tag` prints it.');
  return text;
}

/** The rules of `git check-ref-format --branch`, and no name that a command could take for an option. */
function whyNoRefName(text: string): string | null {
  if (text.startsWith('-')) return 'it begins with a dash';
  if (/[\p{Cc}\p{Cf}\p{Z}\p{Cs}]/u.test(text)) return 'it holds a blank or an invisible character';
  const character = /[~^:?*[\\]/.exec(text)?.[0];
  if (character !== undefined) return `it holds "${character}", which no branch or tag name can`;
  if (text.includes('..')) return 'it holds ".."';
  if (text.includes('@{') || text === '@') return 'it is an expression, not a name';
  if (text.length > 1_000) return 'it is too long';
  const parts = text.split('/');
  const partIsWrong = parts.some((part) => part === '' || part.startsWith('.') || part.endsWith('.lock'));
  if (partIsWrong || text.endsWith('.')) return 'it is not a valid branch or tag name';
  return null;
}
