import { followedFor } from './follow-up.ts';
import { planOfHost } from './plan.ts';
import { looksOnly } from './protocol.ts';
import { statusWithoutResult } from './report/deployment-status.ts';
import { fleetStatus, type HostReport } from './report/fleet-outcome.ts';
import { type FleetReportFacts, reportFleet, reportLateFleet } from './report/fleet-report.ts';
import { type LiveLog, startLog, startLogBesideOthers, withoutOutput } from './report/log.ts';
import { LATE } from './report/report.ts';
import { announcement } from './report/words.ts';
import {
  deployToFleet,
  type FleetEnd,
  type FleetOrders,
  followUpFleet,
  type HostEnd,
  lookAtFleet,
} from './runner/fleet/fleet.ts';
import type { HostTask, Orders } from './runner/session/host-session.ts';
import type { Ended, Followed, Task } from './task.ts';
import { isOver, troubleOf } from './trouble.ts';
import { commitPages } from './workflow.ts';

/** Carries out the plan on several hosts, as one deploy. */
export async function deployToSeveral(
  task: Task,
  orders: Pick<Orders, 'program' | 'cancelled'>,
): Promise<Ended> {
  const { plan } = task;
  const logs = logsOf(task);
  const tasks = hostTasks(task, logs);
  const { say } = startLog('');
  say(announcement(plan, `${tasks.length} hosts`));
  const end = looksOnly(plan)
    ? await lookAtFleet(tasks, orders)
    : await deployToFleet(tasks, { ...wishesOf(task), ...orders, say });
  const facts = factsOf(task, end, logs, null);
  return {
    report: () => reportFleet({ ...facts, durationMs: performance.now() - task.started }),
    status: fleetStatus(facts),
    settled: end.hosts.every((host) => host.kind !== 'error' || isOver(host.error)),
  };
}

/** Sees to a deploy to several hosts whose end the action did not report. */
export async function followSeveral(task: Task): Promise<Followed> {
  const { plan } = task;
  const logs = logsOf(task);
  const tasks = hostTasks(task, logs.map(withoutOutput));
  const { say } = startLog('');
  say('It is not known yet how the deploy ended. Where nothing was changed, it is cancelled now.');
  const end = await followUpFleet(tasks, {
    ...wishesOf(task),
    reason: 'the job was cancelled, or its runner is gone',
    within: followedFor(plan),
    cancelled: new AbortController().signal,
    say,
  });
  if (end.hosts.every(({ kind }) => kind === 'absent')) {
    const message = 'The deploy never began, and it will not start. Nothing was changed.';
    say(message);
    return { code: 0, status: statusWithoutResult(message, true) };
  }
  const facts = factsOf(task, end, logs, LATE);
  return { code: await reportLateFleet(facts), status: fleetStatus(facts) };
}

function wishesOf({ inputs, plan }: Task): Pick<FleetOrders, 'mode' | 'ref' | 'maxParallel' | 'scope'> {
  return { mode: plan.mode, ref: plan.ref, ...inputs.fleet };
}

function logsOf({ inputs, plan }: Task): LiveLog[] {
  return inputs.destinations.map(({ label }) => startLogBesideOthers(label, plan));
}

function hostTasks({ inputs, plan, bundle }: Task, logs: readonly LiveLog[]): HostTask[] {
  return inputs.destinations.flatMap((destination, host) => {
    const log = logs[host];
    return log === undefined
      ? []
      : [{ destination, shellInit: inputs.shellInit, plan: planOfHost(plan, host), bundle, log }];
  });
}

function factsOf(
  { inputs, plan, workflow, started }: Task,
  { hosts, stopped }: FleetEnd,
  logs: readonly LiveLog[],
  late: string | null,
): FleetReportFacts {
  const reports = inputs.destinations.map(({ label, username }, host): HostReport => {
    const end = hosts[host];
    return { label, username, end: end === undefined ? NEVER_BEGAN : endOf(end) };
  });
  return {
    hosts: reports,
    followed: new Set(
      reports
        .filter((_, host) => hosts[host]?.kind === 'result' && hosts[host].followed)
        .map(({ label }) => label),
    ),
    stopped,
    logs,
    mode: plan.mode,
    path: plan.path,
    apps: plan.apps,
    ref: plan.ref,
    commits: commitPages(workflow, plan),
    late,
    durationMs: performance.now() - started,
  };
}

function endOf(end: HostEnd): HostReport['end'] {
  switch (end.kind) {
    case 'result':
      return { kind: 'result', result: end.result };
    case 'absent':
      return NEVER_BEGAN;
    case 'error':
      return { kind: 'trouble', trouble: troubleOf(end.error) };
  }
}

const NEVER_BEGAN: HostReport['end'] = {
  kind: 'trouble',
  trouble: {
    message: 'The deploy never began there, and it will not start. Nothing was changed.',
    remedy: null,
    output: [],
    goesOn: false,
  },
};
