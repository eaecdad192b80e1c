/** What GitHub's API answered instead of doing what it was asked for. */
export interface Refusal {
  /** HTTP status; null if there was no answer. */
  status: number | null;
  message: string;
  headers: Readonly<Record<string, string | number | undefined>>;
}

/** Reads what octokit threw. */
export function refusalOf(error: unknown): Refusal {
  const { status, message, response } = error as {
    status?: unknown;
    message?: unknown;
    response?: { headers?: Refusal['headers'] };
  };
  return {
    // Octokit calls it 500 if there was no answer at all.
    status: response !== undefined && typeof status === 'number' ? status : null,
    message: typeof message === 'string' ? message : String(error),
    headers: response?.headers ?? {},
  };
}

/** Milliseconds after which GitHub takes the request; null if it was not a rate limit that refused it. */
export function rateLimitWait({ status, message, headers }: Refusal, now: number): number | null {
  if (status !== 403 && status !== 429) return null;
  const after = headers['retry-after'];
  if (after !== undefined && Number.isFinite(Number(after))) return Math.max(0, Number(after)) * 1_000;
  if (String(headers['x-ratelimit-remaining']) === '0')
    return Math.max(0, Number(headers['x-ratelimit-reset']) * 1_000 - now) || 0;
  // GitHub asks to wait a minute where it names no time.
  return status === 429 || /rate limit/i.test(message) ? 60_000 : null;
}

/** Why there is no deployment, or no end of one, and what to do. `what` is the end of "GitHub did not …". */
export function refusalSentence(refusal: Refusal, what: string, now: number): string {
  const { status, message } = refusal;
  const said = `GitHub did not ${what}`;
  const rest = 'The deploy itself is not affected.';
  const wait = rateLimitWait(refusal, now);
  if (wait !== null) {
    const seconds = Math.ceil(wait / 1_000);
    return `${said}: its rate limit is used up for another ${seconds} s. ${rest}`;
  }
  if (status === null) return `${said}: ${message}. ${rest} Check that the runner reaches GITHUB_API_URL.`;
  const answer = `${said}. It answered ${status}: ${message}. ${rest}`;
  if (status === 401) return `${answer} Check the token in \`github-token\`.`;
  if (status === 403 || status === 404) return `${answer} Give the job these permissions:\n${PERMISSIONS}`;
  return answer;
}

const PERMISSIONS = 'permissions:\n  contents: read\n  deployments: write';
