import { leftDeploy } from '../../src/follow-up.ts';
import { readInputs } from '../../src/inputs.ts';
import { makePlan } from '../../src/plan.ts';
import { readWorkflow } from '../../src/workflow.ts';

/** What a `main` that was killed has left for its `post`, by the names of the state. */
export async function stateOfLeft(
  inputs: Record<string, string>,
  deployId: string,
): Promise<Record<string, string>> {
  const given = Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]);
  const env = { GITHUB_SHA: '1'.repeat(40), GITHUB_REPOSITORY: 'octocat/shop', ...Object.fromEntries(given) };
  const workflow = readWorkflow(env);
  const read = readInputs(env, workflow, () => {});
  const { destination, mode, ref } = await leftDeploy({ ...makePlan(read, workflow), deployId }, read);
  return { 'deploy-id': deployId, destination, mode, ref };
}
