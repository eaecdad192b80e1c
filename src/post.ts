import { setSecret } from '@actions/core';
import { followSeveral } from './fleet-run.ts';
import { planOfLeft } from './follow-up.ts';
import { followOne } from './host-run.ts';
import { textOfInput } from './inputs/names.ts';
import { readInputs } from './inputs.ts';
import { deploymentOf } from './plan.ts';
import { endDeployment, openDeployment } from './report/deployment.ts';
import { statusWithoutResult } from './report/deployment-status.ts';
import { type LeftDeploy, openedDeployment, unsettledDeploy } from './report/left-for-post.ts';
import { reportLateTrouble } from './report/report.ts';
import type { Followed } from './task.ts';
import { troubleOf } from './trouble.ts';
import { readWorkflow } from './workflow.ts';

const started = performance.now();

/** Sees to a deploy whose end the action did not report: it was cancelled, killed, or lost the host. */
async function post(left: LeftDeploy): Promise<Followed> {
  const workflow = readWorkflow(process.env);
  const inputs = readInputs(process.env, workflow, setSecret);
  const plan = await planOfLeft(left, inputs, workflow);
  const task = { inputs, plan, workflow, bundle: null, early: null, started };
  const followed = inputs.destinations.length === 1 ? await followOne(task) : await followSeveral(task);
  // The commit of such a rollback is only known now, so `main` could open no deployment.
  if (
    plan.mode === 'rollback' &&
    plan.ref === null &&
    inputs.github.deployment &&
    followed.status.sha !== null
  )
    await openDeployment(deploymentOf(plan, inputs, workflow))(followed.status);
  return followed;
}

/** Whatever is still open has nothing more to say; what was printed goes out first. */
async function end({ code, status }: Followed): Promise<void> {
  process.exitCode = code;
  if (opened !== null) await endDeployment(opened.created, githubToken(), opened.end ?? status);
  process.stdout.write('', () => process.exit());
}

async function endInTrouble(error: unknown): Promise<void> {
  const trouble = troubleOf(error);
  await end({ code: await reportLateTrouble(trouble), status: statusWithoutResult(trouble.message, false) });
}

function githubToken(): string {
  const token = textOfInput(process.env, 'github-token');
  if (token !== '') setSecret(token);
  return token;
}

const left = unsettledDeploy();
const opened = openedDeployment();
if (left !== null) {
  process.on('uncaughtException', endInTrouble);
  process.on('unhandledRejection', endInTrouble);
  post(left).then(end, endInTrouble);
} else if (opened?.end) {
  // The action was killed while it told GitHub.
  end({ code: 0, status: { ...opened.end, sha: null } });
}
