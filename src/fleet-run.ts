import { followedFor } from './follow-up.ts';
import type { Inputs } from './inputs.ts';
import { planOfHost } from './plan.ts';
import { looksOnly, type Plan } from './protocol.ts';
import { type DeploymentStatus, statusWithoutResult } from './report/deployment-status.ts';
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
import type { HostTask } from './runner/session/host-session.ts';
import { isOver, troubleOf } from './trouble.ts';
import { commitPages, type Workflow } from './workflow.ts';

/** What is to be done, for whom. */
export interface FleetTask {
  inputs: Inputs;
  plan: Plan;
  workflow: Workflow;
  /** When the action began, on `performance.now()`. */
  started: number;
}

/** How the action ended. */
export interface Ended {
  /** Tells it; the answer is the action's exit code. */
  report: () => Promise<number>;
  /** The same for GitHub's deployments. */
  status: DeploymentStatus;
  /** Whether nothing is left for the post step. */
  settled: boolean;
}

/** How the post step ended. */
export interface Followed {
  /** The exit code. */
  code: number;
  status: DeploymentStatus;
}

/** Carries out the plan on several hosts, as one deploy. */
export async function deployToSeveral(
  task: FleetTask,
  orders: { program: string; cancelled: AbortSignal },
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
export async function followSeveral(task: FleetTask): Promise<Followed> {
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

function wishesOf({ inputs, plan }: FleetTask): Pick<FleetOrders, 'mode' | 'ref' | 'maxParallel' | 'scope'> {
  return { mode: plan.mode, ref: plan.ref, ...inputs.fleet };
}

function logsOf({ inputs, plan }: FleetTask): LiveLog[] {
  return inputs.destinations.map(({ label }) => startLogBesideOthers(label, plan.stableFor));
}

function hostTasks({ inputs, plan }: FleetTask, logs: readonly LiveLog[]): HostTask[] {
  return inputs.destinations.flatMap((destination, host) => {
    const log = logs[host];
    return log === undefined
      ? []
      : [{ destination, shellInit: inputs.shellInit, plan: planOfHost(plan, host), log }];
  });
}

function factsOf(
  { inputs, plan, workflow, started }: FleetTask,
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
    commits: commitPages(workflow, plan.repository.url),
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
