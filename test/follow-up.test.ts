import { expect, test } from 'vitest';
import { followedFor, leftDeploy, planOfLeft } from '../src/follow-up.ts';
import { readInputs } from '../src/inputs.ts';
import { makePlan } from '../src/plan.ts';
import { readWorkflow } from '../src/workflow.ts';

const INPUTS = {
  HOST: 'app.example.com',
  USERNAME: 'deploy',
  PASSWORD: 'hunter22',
  PATH: '~/app',
  REF: 'main',
};

function read(changes: Record<string, string> = {}) {
  const given = Object.entries({ ...INPUTS, ...changes }).map(([name, text]) => [`INPUT_${name}`, text]);
  const env = { GITHUB_REPOSITORY: 'acme/shop', ...Object.fromEntries(given) };
  const workflow = readWorkflow(env);
  const inputs = readInputs(env, workflow, () => {});
  return { inputs, workflow, plan: makePlan(inputs, workflow) };
}

const main = read();
const left = await leftDeploy(main.plan, main.inputs);
const planFrom = (changes: Record<string, string>) => {
  const { inputs, workflow } = read(changes);
  return planOfLeft(left, inputs, workflow);
};

test.each([{ HOST: 'other.example.com' }, { PORT: '2222' }, { USERNAME: 'root' }, { PATH: '~/other' }])(
  'another destination is refused, with what to do: %o',
  (changes) => {
    return expect(planFrom(changes)).rejects.toThrow(
      'got another host, port, user, container or path than the deploy',
    );
  },
);

test.each([{ HOST: 'deploy@APP.example.com:22', USERNAME: '' }, { 'CONNECT-TIMEOUT': '5s' }])(
  'the same one is taken, however it is written: %o',
  async (changes) => {
    expect(await planFrom(changes)).toMatchObject({ deployId: main.plan.deployId, path: '~/app' });
  },
);

test('what was asked for is what main was asked for', async () => {
  expect(await planFrom({ REF: 'other', MODE: 'status' })).toMatchObject({ ref: 'main', mode: 'deploy' });
  const rollback = read({ REF: '', MODE: 'rollback' });
  const of = await leftDeploy(rollback.plan, rollback.inputs);
  expect(await planOfLeft(of, main.inputs, main.workflow)).toMatchObject({ ref: null, mode: 'rollback' });
});

test('a state that main did not finish is another destination', async () => {
  const { inputs, workflow } = main;
  await expect(planOfLeft({ ...left, destination: '' }, inputs, workflow)).rejects.toThrow('another host');
  await expect(planOfLeft({ ...left, mode: '' }, inputs, workflow)).rejects.toThrow('another host');
});

test('what is left holds no part of the destination, and differs from deploy to deploy', async () => {
  expect(Object.values(left).join(' ')).not.toMatch(/example|app|hunter|22\b.*deploy@/);
  expect(left.destination).toMatch(/^[0-9a-f]{64}$/);
  const another = await leftDeploy({ ...main.plan, deployId: 'another-1' }, main.inputs);
  expect(another.destination).not.toBe(left.destination);
});

test.each([
  // Everything twice: the new version, and the old one after it.
  [{ healthTimeout: 1_000, stableFor: 0 }, 152_000],
  [{ healthTimeout: 60_000, stableFor: 10_000 }, 280_000],
  // GitHub's 5 minutes are the end of it.
  [{ healthTimeout: 3_600_000, stableFor: 90_000 }, 280_000],
])('the post step follows for as long as the plan says: %o', (plan, ms) => {
  expect(followedFor(plan)).toBe(ms);
});
