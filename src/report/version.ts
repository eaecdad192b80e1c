import { hostSentence } from './hostile-text.ts';

/** As in package.json; a test holds the two together. */
export const VERSION = '0.1.0';

/** Which version runs, and as what the workflow asked for it: a tag, a branch or a commit. */
export function versionLine({ GITHUB_ACTION_REF }: NodeJS.ProcessEnv): string {
  const ref = hostSentence(GITHUB_ACTION_REF ?? '', 100);
  return `PM2 SSH Deploy ${VERSION}${ref === '' ? '' : ` (${ref})`}`;
}
