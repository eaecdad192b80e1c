import path from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { type ActionRun, runAction, startAction } from './rig/action.ts';
import { type GithubApi, startGithubApi } from './rig/github-api.ts';
import { ROOT } from './rig/places.ts';

const TOKEN = 'ghs_aTokenOfThisTest';
const SHA = 'c0ffee0123456789c0ffee0123456789c0ffee01';
/** Nothing listens there: the deploy fails at once, with nothing changed. */
const INPUTS = {
  host: '127.0.0.1:1',
  username: 'deploy',
  password: 'correct horse',
  path: '~/app',
  'connect-retries': '0',
  deployment: 'true',
  'github-token': TOKEN,
};

let api: GithubApi;
const env = (): Record<string, string> => ({ GITHUB_SHA: SHA, GITHUB_API_URL: api.url });
const warnings = ({ commands }: ActionRun): string[] =>
  commands.filter(({ name }) => name === 'warning').map(({ data }) => data);

beforeEach(async () => {
  api = await startGithubApi(TOKEN);
});
afterEach(async () => {
  await api[Symbol.asyncDispose]();
  expect(api.faults).toEqual([]);
});

test('GitHub is told the beginning and the end, with log and environment', async () => {
  const inputs = { ...INPUTS, environment: 'staging', 'environment-url': 'https://shop.example.com' };
  const run = await runAction({ inputs, env: env() });
  const url = 'https://github.com/octocat/shop/actions/runs/4711/attempts/1';
  const common = { environment: 'staging', log_url: url };
  expect(api.deployments).toEqual([
    {
      id: 42,
      ref: SHA,
      task: 'deploy',
      environment: 'staging',
      statuses: [
        { ...common, state: 'in_progress', description: '', environment_url: '' },
        {
          ...common,
          state: 'failure',
          description: expect.stringMatching(/^host-1 refused the connection/),
          environment_url: 'https://shop.example.com/',
        },
      ],
    },
  ]);
  expect(run.outputs).toMatchObject({ outcome: 'failed', 'deployment-id': '42' });
  expect(run.exported.state).toMatchObject({ settled: 'true', 'github-told': 'true' });
  expect(run.stdout.replace(`::add-mask::${TOKEN}`, '') + JSON.stringify(run.exported)).not.toContain(TOKEN);
  expect(warnings(run)).toEqual([]);
});

test.each(['deployment', 'mode'])('nobody is asked without it: %s', async (name) => {
  const inputs = { ...INPUTS, [name]: name === 'mode' ? 'status' : 'false' };
  expect((await runAction({ inputs, env: env() })).code).toBe(1);
  expect(api.requests).toEqual([]);
});

test('without the permission there is one warning, with the lines to add', async () => {
  api.answer = () => ({ status: 403, message: 'Resource not accessible by integration' });
  const run = await runAction({ inputs: INPUTS, env: env() });
  expect(warnings(run)).toEqual([
    'GitHub did not create the deployment. It answered 403: Resource not accessible by integration. The deploy itself is not affected. Give the job these permissions:\npermissions:\n  contents: read\n  deployments: write',
  ]);
  expect(api.requests).toHaveLength(1);
  expect(run.exported.state['github-deployment']).toBeUndefined();
});

test('a brief rate limit is waited for, and a long one is not', async () => {
  let refusals = 0;
  api.answer = (request) => {
    refusals += 1;
    if (request.endsWith('/deployments') && refusals === 1)
      return { status: 429, message: 'slow down', headers: { 'retry-after': '1' } };
    return request.endsWith('/statuses') && api.deployments[0]?.statuses.length === 1
      ? { status: 403, message: 'secondary rate limit', headers: { 'retry-after': '600' } }
      : null;
  };
  const run = await runAction({ inputs: INPUTS, env: env() });
  expect(api.deployments).toMatchObject([{ statuses: [{ state: 'in_progress' }] }]);
  expect(warnings(run)).toEqual([
    'GitHub did not take the end of deployment 42: its rate limit is used up for another 600 s. The deploy itself is not affected.',
  ]);
});

test('a server error at the end is tried once more; one at the creation is not, as it may have been carried out', async () => {
  const failing = new Set(['failure']);
  api.answer = (request) => {
    const again = request.endsWith('/statuses') && api.deployments[0]?.statuses.length === 1;
    return again && failing.delete('failure') ? { status: 502, message: 'Bad gateway' } : null;
  };
  expect(warnings(await runAction({ inputs: INPUTS, env: env() }))).toEqual([]);
  expect(api.deployments[0]?.statuses.map(({ state }) => state)).toEqual(['in_progress', 'failure']);

  api.answer = () => ({ status: 502, message: 'Bad gateway' });
  api.requests.length = 0;
  expect(warnings(await runAction({ inputs: INPUTS, env: env() }))).toHaveLength(1);
  expect(api.requests).toHaveLength(1);
});

test('with no API at all the deploy ends as it would without a deployment', async () => {
  const run = await runAction({ inputs: INPUTS, env: { ...env(), GITHUB_API_URL: 'http://127.0.0.1:1' } });
  expect(warnings(run)).toEqual([
    expect.stringMatching(/^GitHub did not create the deployment: .*GITHUB_API_URL/),
  ]);
  expect(run.commands.filter(({ name }) => name === 'error')).toHaveLength(1);
  expect(run.outputs).toMatchObject({ outcome: 'failed' });
});

test('killed while it tells GitHub the end: post tells it', async () => {
  let reached = (): void => {};
  const atTheEnd = new Promise<void>((resolve) => {
    reached = resolve;
  });
  api.answer = (request) => {
    if (!request.endsWith('/statuses') || api.deployments[0]?.statuses.length !== 1) return null;
    reached();
    return new Promise(() => {});
  };
  const action = startAction({ inputs: INPUTS, env: env() });
  await atTheEnd;
  action.process.kill('SIGKILL');
  const { state } = (await action.done).exported;
  api.answer = () => null;
  const stateEnv = Object.fromEntries(Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]));
  const post = await runAction({
    script: path.join(ROOT, 'dist/post.js'),
    inputs: INPUTS,
    env: { ...env(), ...stateEnv },
  });
  expect(post).toMatchObject({ code: 0, summary: '' });
  expect(
    api.deployments[0]?.statuses.map(({ state, description }) => [state, description.slice(0, 30)]),
  ).toEqual([
    ['in_progress', ''],
    ['failure', 'host-1 refused the connection '],
  ]);
});
