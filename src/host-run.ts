import { followedFor } from './follow-up.ts';
import { statusOfResult, statusWithoutResult } from './report/deployment-status.ts';
import { plainHeadline } from './report/headline.ts';
import { startLog, withoutOutput } from './report/log.ts';
import { LATE, reportLateResult, reportResult } from './report/report.ts';
import type { SummaryFacts } from './report/summary.ts';
import { announcement } from './report/words.ts';
import { hostSession, type Orders } from './runner/session/host-session.ts';
import type { Ended, Followed, Task } from './task.ts';
import { commitPages } from './workflow.ts';

/** Carries out the plan on the one host that there is. */
export async function deployToOne(task: Task, orders: Pick<Orders, 'program' | 'cancelled'>): Promise<Ended> {
  const { inputs, plan, bundle, early, started } = task;
  const { destinations, shellInit } = inputs;
  const [destination] = destinations;
  const { label } = destination;
  const log = startLog(label, plan);
  log.say(announcement(plan, label));
  const result = await hostSession({ destination, shellInit, plan, bundle, early, log }).carryOut({
    ...orders,
    // One host waits for no other.
    mayGo: async () => {},
  });
  const facts = factsOf(task, null);
  return {
    report: () => reportResult(result, log, { ...facts, durationMs: performance.now() - started }),
    status: statusOfResult(result, plainHeadline(result, facts)),
    settled: true,
  };
}

/** Sees to a deploy to one host whose end the action did not report. */
export async function followOne(task: Task): Promise<Followed> {
  const { inputs, plan, started } = task;
  const { destinations, shellInit } = inputs;
  const [destination] = destinations;
  const { label } = destination;
  const log = startLog(label, plan);
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
  const facts = factsOf(task, LATE);
  const status = statusOfResult(result, plainHeadline(result, facts));
  const code = await reportLateResult(result, log, { ...facts, durationMs: performance.now() - started });
  return { code, status };
}

function factsOf({ inputs, plan, workflow }: Task, late: string | null): SummaryFacts {
  const [{ label, username }] = inputs.destinations;
  const { path, apps, ref } = plan;
  return { label, username, path, apps, ref, commits: commitPages(workflow, plan), late };
}
