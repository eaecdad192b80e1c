import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setSecret } from '@actions/core';
import { leftDeploy } from './follow-up.ts';
import { readInputs } from './inputs.ts';
import { makePlan } from './plan.ts';
import { looksOnly } from './protocol.ts';
import { noteDeploy, noteSettled } from './report/left-for-post.ts';
import { startLog } from './report/log.ts';
import { reportResult, reportTrouble } from './report/report.ts';
import { announcement } from './report/words.ts';
import { hostSession } from './runner/session/host-session.ts';
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
  const { destination, shellInit } = inputs;
  const { label } = destination;
  const log = startLog(label, plan.stableFor);
  log.say(announcement(plan, label));
  if (!looksOnly(plan)) noteDeploy(leftDeploy(plan, inputs));
  const result = await hostSession({ destination, shellInit, plan, log }).carryOut({
    program: readFileSync(path.join(__dirname, 'host.js'), 'utf8'),
    // One host waits for no other.
    mayGo: async () => {},
    cancelled: cancelled.signal,
  });
  const commits = commitPages(workflow, plan.repository.url);
  return () =>
    reportResult(result, log, {
      label,
      username: destination.username,
      path: plan.path,
      apps: plan.apps,
      ref: plan.ref,
      commits,
      late: null,
      durationMs: performance.now() - started,
    });
}

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
