import type { Plan } from '../protocol.ts';
import { BadValue } from './bad-value.ts';

/** Reads the token that git may use on this GitHub server; null if there is none, or the server has no https. */
export function parseGitToken(text: string, serverUrl: string): Plan['gitToken'] {
  if (text === '') return null;
  const value = parseToken(text);
  const url = URL.canParse(serverUrl) ? new URL(serverUrl) : null;
  return url?.protocol === 'https:' ? { value, server: url.origin } : null;
}

/** Checks the characters of a token; an empty text stays one. */
export function parseToken(text: string): string {
  if (!/^[!-~]*$/.test(text)) {
    throw new BadValue(
      'it contains a blank, a line end, or another character that no token has',
      'a GitHub token, or an empty value for none',
      'Copy the token again into its secret.',
    );
  }
  return text;
}
