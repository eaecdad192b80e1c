import type { HostResult } from '../protocol.ts';
import { hostSentence } from './hostile-text.ts';

/** The end of a deployment, as GitHub shows it. */
export interface DeploymentStatus {
  /** `failure`: the new version is not live. `error`: what is live is not known, or does not work. */
  state: 'success' | 'failure' | 'error';
  description: string;
  /** The commit that went live; null if none did, or if nobody knows. */
  sha: string | null;
}

/** GitHub refuses more than 140 characters; what is cut off is shown by two. */
const LONGEST_DESCRIPTION = 138;

/** `headline` is that of the summary, without Markdown. */
export function statusOfResult(
  { outcome, sha }: Pick<HostResult, 'outcome' | 'sha'>,
  headline: string,
): DeploymentStatus {
  const description = hostSentence(headline, LONGEST_DESCRIPTION);
  // A version that is live stays one if a later step failed: the page of the environment says what runs.
  if (outcome === 'deployed' || outcome === 'unchanged') return { state: 'success', description, sha };
  return { state: outcome === 'rollback-failed' ? 'error' : 'failure', description, sha: null };
}

/** The end where no host reported one. `isKnown`: the deploy did not begin, so nothing was changed. */
export function statusWithoutResult(message: string, isKnown: boolean): DeploymentStatus {
  return {
    state: isKnown ? 'failure' : 'error',
    description: hostSentence(message, LONGEST_DESCRIPTION),
    sha: null,
  };
}
