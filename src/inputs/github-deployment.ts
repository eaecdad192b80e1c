import { BadValue, hasUnprintable } from './bad-value.ts';
import { parseToken } from './git-token.ts';

/** GitHub's own limit. */
const LONGEST_ENVIRONMENT = 255;

/** Reads `environment`: any name that GitHub takes. */
export function parseEnvironment(text: string): string {
  const takes = `a name of at most ${LONGEST_ENVIRONMENT} characters, such as production`;
  if (hasUnprintable(text)) throw new BadValue('it holds an invisible character', takes);
  if (text.length > LONGEST_ENVIRONMENT) throw new BadValue('it is too long', takes);
  return text;
}

/** Reads `environment-url`, the page that GitHub links to; null if none is given. */
export function parseEnvironmentUrl(text: string): string | null {
  if (text === '') return null;
  const takes = 'the address of the app for its visitors, such as https://shop.example.com';
  if (!/^https?:\/\//i.test(text) || !URL.canParse(text))
    throw new BadValue('it is not a URL that begins with http:// or https://', takes);
  const url = new URL(text);
  // GitHub shows the address to everyone who can read the repository.
  if (url.username !== '' || url.password !== '') throw new BadValue('it holds a user or a password', takes);
  return url.href;
}

/** Reads `github-token`; `needed` if a deployment is to be created with it. */
export function parseGithubToken(text: string, needed: boolean): string {
  if (needed && text === '') {
    throw new BadValue(
      '`deployment` is true, and this is empty',
      'a GitHub token that may write deployments',
      'Leave it out to use the token of the workflow.',
    );
  }
  return parseToken(text);
}
