import { randomInt } from 'node:crypto';
import type { Inputs } from './inputs.ts';
import { type Plan, PROTOCOL_VERSION } from './protocol.ts';
import type { DeploymentFacts } from './report/deployment.ts';
import { runUrl, type Workflow } from './workflow.ts';

/** Makes the plan for the host from checked inputs and the workflow's context. The ref of an upload is known once its files are. */
export function makePlan(inputs: Inputs, workflow: Workflow): Plan {
  return {
    ...inputs.plan,
    protocol: PROTOCOL_VERSION,
    deployId: makeDeployId(workflow),
    waits: false,
    run: {
      repository: workflow.repository,
      id: workflow.runId,
      attempt: workflow.runAttempt,
      url: runUrl(workflow),
      actor: workflow.actor,
    },
    // None of these asks a repository.
    gitToken:
      ['status', 'remove'].includes(inputs.plan.mode) || inputs.upload !== null ? null : inputs.plan.gitToken,
  };
}

/** What GitHub is shown of the deploy. */
export function deploymentOf(plan: Plan, { github }: Inputs, workflow: Workflow): DeploymentFacts {
  return {
    token: github.token,
    environment: github.environment,
    environmentUrl: github.environmentUrl,
    repository: workflow.repository,
    // GitHub knows no commit of an upload.
    ref: plan.source.kind === 'upload' ? plan.source.builtFrom : plan.ref,
    task: plan.mode,
    logUrl: plan.run.url,
  };
}

/** The plan of one of several hosts, by its place in the list. Two names may lead to one home: each run has an id of its own. */
export function planOfHost(plan: Plan, index: number): Plan {
  return { ...plan, deployId: `${plan.deployId}-h${index + 1}`, waits: true };
}

/** Run and attempt are for people; the random part tells apart the jobs of one run, and runs outside of GitHub. */
function makeDeployId(workflow: Workflow): string {
  const run = `${workflow.runId}-${workflow.runAttempt}`.toLowerCase().replace(/[^a-z0-9-]/g, '');
  const random = Array.from({ length: 10 }, () => randomInt(36).toString(36)).join('');
  return `${run.slice(0, 48)}-${random}`.replace(/^-+/, '');
}
