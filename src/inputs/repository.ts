import { BadValue, hasUnprintable } from './bad-value.ts';

const TAKES =
  'owner/name on this GitHub server, an https:// or ssh:// URL, user@host:path, a file:/// URL or an absolute path';
const OWNER_AND_NAME = /^[A-Za-z0-9][A-Za-z0-9_-]*\/[A-Za-z0-9_.][A-Za-z0-9._-]*$/;
const SCP_LIKE = /^[A-Za-z0-9_][A-Za-z0-9_.-]*@[A-Za-z0-9_][A-Za-z0-9_.-]*:[^\s:-][^\s]*$/;

/** Reads what to clone; the result is an address that git takes as it stands. */
export function parseRepository(text: string, serverUrl: string): string {
  if (text.startsWith('-')) throw new BadValue('it begins with a dash', TAKES);
  if (hasUnprintable(text)) throw new BadValue('it holds an invisible character', TAKES);
  if (OWNER_AND_NAME.test(text)) return urlOnServer(serverUrl, text);
  if (text.startsWith('/')) return text;
  if (/^file:\/\/\//.test(text)) return text;
  if (/^(?:https|ssh):\/\//.test(text)) return checkedUrl(text);
  if (SCP_LIKE.test(text) && !text.includes('::')) return text;
  if (/^http:\/\//.test(text)) {
    throw new BadValue('http is not encrypted', TAKES, 'Use https:// or ssh://.');
  }
  throw new BadValue('it has none of the forms that work', TAKES);
}

/** The https address of a repository of the GitHub server that the workflow runs on. */
export function urlOnServer(serverUrl: string, ownerAndName: string): string {
  return `${serverUrl}/${ownerAndName}.git`;
}

function checkedUrl(text: string): string {
  const url = URL.canParse(text) ? new URL(text) : null;
  // What browsers forgive (a missing host, a backslash), git reads in its own way.
  if (url === null || /\s|\\|^[a-z]+:\/\/\//.test(text)) throw new BadValue('it is not a valid URL', TAKES);
  const loginIsName = url.protocol === 'ssh:' && url.password === '';
  if (!loginIsName && (url.username !== '' || url.password !== '')) {
    throw new BadValue(
      'it carries a name or password',
      TAKES,
      'Leave it out. Use git-token, or give the server a deploy key for the repository.',
    );
  }
  // git hands both to ssh as arguments.
  if (url.hostname.startsWith('-') || /^(?:-|%)/.test(url.username)) {
    throw new BadValue('its host or user begins with a dash', TAKES);
  }
  return text;
}
