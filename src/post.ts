import { setSecret } from '@actions/core';
import { followedFor, planOfLeft } from './follow-up.ts';
import { readInputs } from './inputs.ts';
import { type LeftDeploy, unsettledDeploy } from './report/left-for-post.ts';
import { type LiveLog, startLog } from './report/log.ts';
import { reportLateResult, reportLateTrouble } from './report/report.ts';
import type { HostLog } from './runner/session/following.ts';
import { hostSession } from './runner/session/host-session.ts';
import { troubleOf } from './trouble.ts';
import { commitPages, readWorkflow } from './workflow.ts';

const started = performance.now();

/** Sees to a deploy whose end the action did not report: it was cancelled, killed, or lost the host. Returns the exit code. */
async function post(left: LeftDeploy): Promise<number> {
  const workflow = readWorkflow(process.env);
  const inputs = readInputs(process.env, workflow, setSecret);
  const plan = planOfLeft(left, inputs, workflow);
  const { destination, shellInit } = inputs;
  const { label } = destination;
  const log = startLog(label, plan.stableFor);
  log.say(
    `It is not known yet how the deploy on ${label} ended. If nothing was changed there, it is cancelled now.`,
  );
  const result = await hostSession({ destination, shellInit, plan, log: statesOf(log) }).followUp({
    reason: 'the job was cancelled, or its runner is gone',
    within: followedFor(plan),
  });
  if (result === null) {
    log.say(`The deploy never began on ${label}, and it will not start. Nothing was changed.`);
    return 0;
  }
  const commits = commitPages(workflow, plan.repository.url);
  return reportLateResult(result, log, {
    label,
    username: destination.username,
    path: plan.path,
    apps: plan.apps,
    ref: plan.ref,
    commits,
    late: LATE,
    durationMs: performance.now() - started,
  });
}

const LATE =
  '**Why it is told here:** the job was cancelled, or the action ended, before the server did. This is how the deploy ended.';

/** What its commands printed is in the log of the step itself, or lost with it. */
function statesOf(log: LiveLog): HostLog {
  return {
    ...log,
    event: (event) => {
      if (event.type === 'state' || event.type === 'end') log.event(event);
    },
  };
}

/** Whatever is still open has nothing more to say; what was printed goes out first. */
function end(code: number): void {
  process.exitCode = code;
  process.stdout.write('', () => process.exit());
}

function endInTrouble(error: unknown): void {
  reportLateTrouble(troubleOf(error)).then(end);
}

const left = unsettledDeploy();
if (left !== null) {
  process.on('uncaughtException', endInTrouble);
  process.on('unhandledRejection', endInTrouble);
  post(left).then(end, endInTrouble);
}
