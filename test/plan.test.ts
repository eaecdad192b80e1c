import { expect, test } from 'vitest';
import { readInputs } from '../src/inputs.ts';
import { makePlan } from '../src/plan.ts';
import { commitPages, readWorkflow } from '../src/workflow.ts';

const ENV = {
  INPUT_HOST: 'h',
  INPUT_USERNAME: 'u',
  INPUT_PASSWORD: 'not-for-the-host',
  INPUT_PATH: '~/app',
  INPUT_REF: 'main',
  INPUT_APP: 'web',
  'INPUT_HEALTH-URL': ':3000/health',
  'INPUT_SHELL-INIT': 'export TOKEN=not-for-a-file',
  GITHUB_REPOSITORY: 'acme/shop',
  GITHUB_RUN_ID: '1234567',
  GITHUB_RUN_ATTEMPT: '2',
  GITHUB_ACTOR: 'ada',
};

function planFrom(env: Record<string, string>) {
  const workflow = readWorkflow(env);
  return makePlan(
    readInputs(env, workflow, () => {}),
    workflow,
  );
}

test('the plan says who deploys what, and carries no secret', () => {
  const plan = planFrom(ENV);
  expect(plan).toMatchObject({
    run: {
      repository: 'acme/shop',
      id: '1234567',
      attempt: '2',
      url: 'https://github.com/acme/shop/actions/runs/1234567/attempts/2',
      actor: 'ada',
    },
    path: '~/app',
    ref: 'main',
    apps: ['web'],
    healthUrl: 'http://localhost:3000/health',
  });
  expect(JSON.stringify(plan)).not.toContain('not-for');
});

test.each([
  ['deploy', 'ghs_token'],
  ['rollback', 'ghs_token'],
  ['check', 'ghs_token'],
  ['status', null],
])('the plan of a %s carries git-token only if it may need it', (mode, token) => {
  const plan = planFrom({ ...ENV, INPUT_MODE: mode, 'INPUT_GIT-TOKEN': 'ghs_token' });
  expect(plan.gitToken?.value ?? null).toBe(token);
});

test.each([
  [{ ...ENV }, /^1234567-2-[a-z0-9]{10}$/],
  [{ ...ENV, GITHUB_RUN_ID: '', GITHUB_RUN_ATTEMPT: '' }, /^1-[a-z0-9]{10}$/],
  [{ ...ENV, GITHUB_RUN_ID: '../../X$(id)', GITHUB_RUN_ATTEMPT: '1' }, /^xid-1-[a-z0-9]{10}$/],
  [{ ...ENV, GITHUB_RUN_ID: '9'.repeat(200) }, /^9{48}-[a-z0-9]{10}$/],
])('the deploy id can be a file name (%#)', (env, form) => {
  const { deployId } = planFrom(env);
  expect(deployId).toMatch(form);
  expect(deployId).toMatch(/^[a-z0-9-]{8,64}$/);
});

test('two deploys of one run have different ids', () => {
  expect(planFrom(ENV).deployId).not.toBe(planFrom(ENV).deployId);
});

test('outside of a workflow there is no run to link to', () => {
  expect(planFrom({ ...ENV, GITHUB_RUN_ID: '' }).run.url).toBe('');
});

test.each([
  ['https://github.com/acme/shop.git', 'https://github.com/acme/shop/commit'],
  ['https://github.com/acme/shop', 'https://github.com/acme/shop/commit'],
  ['git@github.com:acme/shop.git', 'https://github.com/acme/shop/commit'],
  ['ssh://git@github.com/acme/shop', 'https://github.com/acme/shop/commit'],
  ['git@gitlab.com:acme/shop.git', null],
  ['https://github.com.evil.example/acme/shop', null],
  ['/srv/git/shop.git', null],
  ['file:///srv/git/shop.git', null],
])('commits of %s are at %s', (url, pages) => {
  const repository = { url, given: false };
  expect(commitPages(readWorkflow({}), { repository, source: { kind: 'git' } })).toBe(pages);
  // GitHub has no commit of an upload.
  const upload = { kind: 'upload', builtFrom: 'a'.repeat(40) } as const;
  expect(commitPages(readWorkflow({}), { repository, source: upload })).toBeNull();
});
