import { expect, test } from 'vitest';
import { rateLimitWait, refusalOf, refusalSentence } from '../../src/report/deployment-refusal.ts';
import { statusOfResult, statusWithoutResult } from '../../src/report/deployment-status.ts';

const NOW = 1_700_000_000_000;
const refusal = (status: number | null, message: string, headers = {}) => ({ status, message, headers });

test.each<[string, ReturnType<typeof refusal>, number | null]>([
  ['a second-rate limit', refusal(403, 'secondary rate limit', { 'retry-after': '3' }), 3_000],
  ['429', refusal(429, 'slow down', { 'retry-after': '60' }), 60_000],
  [
    'the hour is used up',
    refusal(403, 'API rate limit exceeded', {
      'x-ratelimit-remaining': '0',
      'x-ratelimit-reset': String(NOW / 1_000 + 90),
    }),
    90_000,
  ],
  [
    'and is over by now',
    refusal(429, '', { 'x-ratelimit-remaining': '0', 'x-ratelimit-reset': String(NOW / 1_000 - 5) }),
    0,
  ],
  ['no time is named', refusal(403, 'You have exceeded a secondary rate limit.'), 60_000],
  ['nonsense for a time', refusal(429, '', { 'retry-after': 'soon' }), 60_000],
  ['no permission', refusal(403, 'Resource not accessible by integration'), null],
  ['a server error', refusal(500, 'oops', { 'retry-after': '3' }), null],
])('how long a rate limit lasts: %s', (_what, given, expected) => {
  expect(rateLimitWait(given, NOW)).toBe(expected);
});

test.each<[string, ReturnType<typeof refusal>, RegExp]>([
  [
    'no permission',
    refusal(403, 'Resource not accessible by integration'),
    /It answered 403: Resource not accessible by integration\. The deploy itself is not affected\. Give the job these permissions:\npermissions:\n {2}contents: read\n {2}deployments: write$/,
  ],
  ['a repository that the token cannot see', refusal(404, 'Not Found'), /deployments: write$/],
  ['a token that is none', refusal(401, 'Bad credentials'), /Check the token in `github-token`\.$/],
  ['a rate limit', refusal(429, '', { 'retry-after': '60' }), /rate limit is used up for another 60 s\./],
  ['a commit that is not there', refusal(422, 'No ref found for: c0ffee'), /answered 422: No ref found/],
  [
    'no answer',
    refusal(null, 'connect ECONNREFUSED'),
    /: connect ECONNREFUSED\. .* reaches GITHUB_API_URL\.$/,
  ],
])('what is said: %s', (_what, given, expected) => {
  const said = refusalSentence(given, 'create the deployment', NOW);
  expect(said).toMatch(/^GitHub did not create the deployment/);
  expect(said).toMatch(expected);
});

test('whatever is thrown is a refusal', () => {
  expect(refusalOf('x')).toEqual({ status: null, message: 'x', headers: {} });
  // Octokit's way of saying that nobody answered.
  expect(refusalOf(Object.assign(new Error('gone'), { status: 500 }))).toMatchObject({ status: null });
  expect(refusalOf(Object.assign(new Error('no'), { status: 403, response: { headers: {} } }))).toMatchObject(
    {
      status: 403,
    },
  );
});

test.each([
  ['deployed', 'success'],
  ['unchanged', 'success'],
  ['rolled-back', 'failure'],
  ['failed', 'failure'],
  ['rollback-failed', 'error'],
] as const)('%s is shown as %s', (outcome, state) => {
  const sha = 'c0ffee0123456789c0ffee0123456789c0ffee01';
  const status = statusOfResult({ outcome, sha }, 'x'.repeat(300));
  expect(status).toMatchObject({ state, sha: state === 'success' ? sha : null });
  expect(status.description.length).toBeLessThanOrEqual(140);
});

test('without a result: a failure if nothing was changed, an error if nobody knows', () => {
  expect(statusWithoutResult('No connection.', true).state).toBe('failure');
  expect(statusWithoutResult('The link was lost.', false).state).toBe('error');
});
