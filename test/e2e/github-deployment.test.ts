import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { UNVISITED } from '../rig/fixture-app.ts';
import { type GithubApi, startGithubApi } from '../rig/github-api.ts';
import { ROOT } from '../rig/places.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

const TOKEN = 'ghs_aTokenOfThisTest';

let api: GithubApi;
let site: Site;
let env: Record<string, string>;

beforeAll(async () => {
  api = await startGithubApi(TOKEN);
  env = { GITHUB_API_URL: api.url };
  const inputs = { canary: 'off', deployment: 'true', 'github-token': TOKEN };
  site = await createSite(NEWEST, { app: UNVISITED, inputs });
});
afterAll(async () => {
  await site?.stop();
  await api?.[Symbol.asyncDispose]();
});

const last = () => {
  const { statuses, ...deployment } = api.deployments.at(-1) ?? { statuses: [] };
  return { ...deployment, states: statuses.map(({ state, description }) => [state, description]) };
};
const warnings = ({ commands }: ActionRun): string[] =>
  commands.filter(({ name }) => name === 'warning').map(({ data }) => data);

test('a deploy, a rollback of it, and a killed runner: GitHub knows what is live, and how each ended', async () => {
  const [first, second] = [site.commit({ version: '1' }), site.commit({ version: '2' })];
  const run = await site.deploy({ ref: first }, { env });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { 'deployment-id': '42' } });
  expect(last()).toMatchObject({ id: 42, ref: first, task: 'deploy', environment: 'production' });
  const live = (sha: string): RegExp => new RegExp(`^shop is live on host-1 at ${sha.slice(0, 7)}`);
  expect(last().states).toEqual([
    ['in_progress', ''],
    ['success', expect.stringMatching(live(first))],
  ]);

  // Whatever GitHub says, a deploy that worked is green.
  api.answer = () => ({ status: 403, message: 'Resource not accessible by integration' });
  const refused = await site.deploy({ ref: second }, { env });
  expect(refused, refused.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(refused.outputs['deployment-id']).toBeUndefined();
  expect(warnings(refused)).toEqual([expect.stringMatching(/deployments: write$/)]);
  api.answer = () => null;

  // Only the host knows the commit: the deployment is created when it is told.
  const back = await site.deploy({ mode: 'rollback' }, { env });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { sha: first, 'deployment-id': '43' } });
  expect(last()).toMatchObject({ id: 43, ref: first, task: 'rollback' });
  expect(last().states).toEqual([
    ['in_progress', ''],
    ['success', expect.stringContaining('was rolled back')],
  ]);

  const given = { ref: site.commit({ version: '3' }), 'stable-for': '6s' };
  const action = site.start(given, { env });
  await action.says(/\] verifying/);
  action.process.kill('SIGKILL');
  const { state } = (await action.done).exported;
  expect(last().states).toEqual([['in_progress', '']]);
  const left = Object.entries(state).map(([name, value]) => [`STATE_${name}`, value]);
  const post = await site.start(given, {
    script: path.join(ROOT, 'dist/post.js'),
    env: { ...env, ...Object.fromEntries(left) },
  }).done;
  expect(post, post.stdout).toMatchObject({ code: 0 });
  expect(last().states).toEqual([
    ['in_progress', ''],
    ['success', expect.stringMatching(live(given.ref))],
  ]);
  expect(warnings(post)).toEqual([]);
  expect(api.faults).toEqual([]);
});
