import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setSecret } from '@actions/core';
import { type Inputs, readInputs } from './inputs.ts';
import { makePlan } from './plan.ts';
import { type HostResult, looksOnly, type Mode, type Plan } from './protocol.ts';
import { noteDeploy, noteSettled } from './report/left-for-post.ts';
import { type LiveLog, startLog } from './report/log.ts';
import { reportResult, reportTrouble } from './report/report.ts';
import { connect, linkTo } from './runner/connection/connect.ts';
import { deployOnHost, unlessCancelled } from './runner/session/host-session.ts';
import { lookAtHost } from './runner/session/looking.ts';
import { isOver, troubleOf } from './trouble.ts';
import { commitPages, readWorkflow } from './workflow.ts';

/** Tells how the action ended; the answer is its exit code. */
type Report = () => Promise<number>;

const started = performance.now();
const cancelled = new AbortController();
// Red until the opposite is known.
process.exitCode = 1;

async function main(): Promise<Report> {
  const workflow = readWorkflow(process.env);
  const inputs = readInputs(process.env, workflow, setSecret);
  const plan = makePlan(inputs, workflow);
  const log = startLog(inputs.destination.label);
  if (!looksOnly(plan)) noteDeploy(plan.deployId);
  const result = await deploy(inputs, plan, log);
  return () =>
    reportResult(result, log, {
      label: inputs.destination.label,
      path: plan.path,
      commits: commitPages(workflow, plan.repository.url),
      durationMs: performance.now() - started,
    });
}

async function deploy(inputs: Inputs, plan: Plan, log: LiveLog): Promise<HostResult> {
  const { destination, shellInit } = inputs;
  log.say(`${ANNOUNCED[plan.mode](plan.ref)} ${destination.label}, ${plan.path}`);
  const program = readFileSync(path.join(__dirname, 'host.js'), 'utf8');
  const connection = await unlessCancelled(
    connect(destination, log.say),
    destination.label,
    cancelled.signal,
  );
  try {
    const session = { connection, program, plan, shellInit, onEvent: log.event, cancelled: cancelled.signal };
    if (looksOnly(plan)) return await lookAtHost(session);
    return await deployOnHost({
      ...session,
      say: log.say,
      link: linkTo(destination),
    });
  } finally {
    await connection.close();
  }
}

const ANNOUNCED: Readonly<Record<Mode, (ref: string | null) => string>> = {
  deploy: (ref) => `Deploying ${ref} to`,
  rollback: (ref) => `Rolling back to ${ref ?? 'the last verified version before the current one'} on`,
  check: (ref) => `Checking whether ${ref} could be deployed to`,
  status: () => 'Looking at what runs on',
};

let ended = false;

/**
 * Ends the action, once: what comes after it, such as a late error of a closed connection or a signal, changes nothing
 * any more, also while the report is being written. `settled` says that nothing is left for the post step.
 */
async function end(report: Report, settled: boolean): Promise<void> {
  if (ended) return;
  ended = true;
  process.exitCode = await report().catch(reportError);
  if (settled) noteSettled();
  // Whatever is still open has nothing more to say; what was printed goes out first.
  process.stdout.write('', () => process.exit());
}

async function reportError(error: unknown): Promise<number> {
  return reportTrouble(troubleOf(error), performance.now() - started);
}

function endInTrouble(error: unknown): Promise<void> {
  return end(() => reportError(error), isOver(error));
}

function cancel(): void {
  cancelled.abort('the job was cancelled');
}

process.on('uncaughtException', endInTrouble);
process.on('unhandledRejection', endInTrouble);
process.on('SIGINT', cancel);
process.on('SIGTERM', cancel);
// A runner that went away reads nothing any more, which must not end the deploy.
process.stdout.on('error', () => {});

main().then((report) => end(report, true), endInTrouble);
