/** A commit, and the labels of the hosts that have it. */
export interface CommitOfHosts {
  sha: string;
  labels: string[];
}

/** The commits that hosts have, each with its hosts; more than one is a mix. */
export function commitsOf(hosts: readonly { label: string; sha: string }[]): CommitOfHosts[] {
  return [...new Set(hosts.map(({ sha }) => sha))].map((sha) => ({
    sha,
    labels: hosts.filter((one) => one.sha === sha).map(({ label }) => label),
  }));
}

/** "613ca57 on web-1, web-2; 9dcf0a8 on web-3", of commits that are short already. */
export function mixText(commits: readonly CommitOfHosts[]): string {
  return commits.map(({ sha, labels }) => `${sha} on ${labels.join(', ')}`).join('; ');
}
