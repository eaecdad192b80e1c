import { setSecret } from '@actions/core';
import { type FleetTask, type Followed, followSeveral } from './fleet-run.ts';
import { followedFor, planOfLeft } from './follow-up.ts';
import { textOfInput } from './inputs/names.ts';
import { readInputs } from './inputs.ts';
import { deploymentOf } from './plan.ts';
import { endDeployment, openDeployment } from './report/deployment.ts';
import { statusOfResult, statusWithoutResult } from './report/deployment-status.ts';
import { plainHeadline } from './report/headline.ts';
import { type LeftDeploy, openedDeployment, unsettledDeploy } from './report/left-for-post.ts';
import { startLog, withoutOutput } from './report/log.ts';
import { LATE, reportLateResult, reportLateTrouble } from './report/report.ts';
import { hostSession } from './runner/session/host-session.ts';
import { troubleOf } from './trouble.ts';
import { commitPages, readWorkflow } from './workflow.ts';

const started = performance.now();

/** Sees to a deploy whose end the action did not report: it was cancelled, killed, or lost the host. */
async function post(left: LeftDeploy): Promise<Followed> {
  const workflow = readWorkflow(process.env);
  const inputs = readInputs(process.env, workflow, setSecret);
  const plan = planOfLeft(left, inputs, workflow);
  const task = { inputs, plan, workflow, started };
  const followed = inputs.destinations.length === 1 ? await followOne(task) : await followSeveral(task);
  // The commit of such a rollback is only known now, so `main` could open no deployment.
  if (plan.ref === null && inputs.github.deployment && followed.status.sha !== null)
    await openDeployment(deploymentOf(plan, inputs, workflow))(followed.status);
  return followed;
}

async function followOne({ inputs, plan, workflow }: FleetTask): Promise<Followed> {
  const { destinations, shellInit } = inputs;
  const [destination] = destinations;
  const { label } = destination;
  const log = startLog(label, plan.stableFor);
  log.say(
    `It is not known yet how the deploy on ${label} ended. If nothing was changed there, it is cancelled now.`,
  );
  const result = await hostSession({ destination, shellInit, plan, log: withoutOutput(log) }).followUp({
    reason: 'the job was cancelled, or its runner is gone',
    within: followedFor(plan),
  });
  if (result === null) {
    const message = `The deploy never began on ${label}, and it will not start. Nothing was changed.`;
    log.say(message);
    return { code: 0, status: statusWithoutResult(message, true) };
  }
  const commits = commitPages(workflow, plan.repository.url);
  const facts = {
    label,
    username: destination.username,
    path: plan.path,
    apps: plan.apps,
    ref: plan.ref,
    commits,
    late: LATE,
  };
  const status = statusOfResult(result, plainHeadline(result, facts));
  const code = await reportLateResult(result, log, { ...facts, durationMs: performance.now() - started });
  return { code, status };
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
