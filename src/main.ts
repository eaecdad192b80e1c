import { readFileSync } from 'node:fs';
import path from 'node:path';
import { setSecret } from '@actions/core';
import { InputsError } from './inputs/problem.ts';
import { type Inputs, readInputs } from './inputs.ts';
import { makePlan } from './plan.ts';
import type { HostResult, Plan } from './protocol.ts';
import { type LiveLog, startLog } from './report/log.ts';
import { reportResult, reportTrouble, type Trouble } from './report/report.ts';
import { ConnectError } from './runner/connect-error.ts';
import { deployOnHost } from './runner/session.ts';
import { SessionError } from './runner/session-error.ts';
import { connect } from './runner/ssh.ts';
import { commitPages, readWorkflow } from './workflow.ts';

/** Tells how the action ended; the answer is its exit code. */
type Report = () => Promise<number>;

const started = performance.now();
// Red until the opposite is known.
process.exitCode = 1;

async function main(): Promise<Report> {
  const workflow = readWorkflow(process.env);
  const inputs = readInputs(process.env, workflow, setSecret);
  const plan = makePlan(inputs, workflow);
  const log = startLog(inputs.target.label);
  const result = await deploy(inputs, plan, log);
  return () =>
    reportResult(result, log, {
      label: inputs.target.label,
      path: plan.path,
      commits: commitPages(workflow, plan.repository.url),
      durationMs: performance.now() - started,
    });
}

async function deploy(inputs: Inputs, plan: Plan, log: LiveLog): Promise<HostResult> {
  const { target, shellInit } = inputs;
  log.say(`Deploying ${plan.ref} to ${target.label}, ${plan.path}`);
  const program = readFileSync(path.join(__dirname, 'host.js'), 'utf8');
  const connection = await connect(target);
  try {
    return await deployOnHost({ connection, program, plan, shellInit, onEvent: log.event });
  } finally {
    await connection.close();
  }
}

function troubleOf(error: unknown): Trouble {
  if (error instanceof InputsError) return { message: error.message, remedy: null, output: [] };
  if (error instanceof ConnectError) return { message: error.message, remedy: error.remedy, output: [] };
  if (error instanceof SessionError)
    return { message: error.message, remedy: error.remedy, output: error.output };
  // Anything else is a fault of this action, and whoever mends it needs to know where.
  return {
    message: `This should not happen: ${error instanceof Error ? error.message : String(error)}`,
    remedy: null,
    output: error instanceof Error ? (error.stack ?? '').split('\n') : [],
  };
}

let ended = false;

/**
 * Ends the action, once: what comes after it, such as a late error of a closed connection or a signal, changes nothing
 * any more, also while the report is being written.
 */
async function end(report: Report): Promise<void> {
  if (ended) return;
  ended = true;
  process.exitCode = await report().catch(reportError);
  // Whatever is still open has nothing more to say; what was printed goes out first.
  process.stdout.write('', () => process.exit());
}

async function reportError(error: unknown): Promise<number> {
  return reportTrouble(troubleOf(error), performance.now() - started);
}

function endInTrouble(error: unknown): Promise<void> {
  return end(() => reportError(error));
}

function endCancelled(): Promise<void> {
  return end(() =>
    reportTrouble(
      {
        message: 'The job was cancelled, and this action no longer follows the host.',
        remedy:
          'The host gives the deploy up by itself where nothing was changed yet; from activating on it finishes it alone, verified or rolled back.',
        output: [],
      },
      performance.now() - started,
    ),
  );
}

process.on('uncaughtException', endInTrouble);
process.on('unhandledRejection', endInTrouble);
process.on('SIGINT', endCancelled);
process.on('SIGTERM', endCancelled);
// A runner that went away reads nothing any more, which must not end the deploy.
process.stdout.on('error', () => {});

main().then(end, endInTrouble);
