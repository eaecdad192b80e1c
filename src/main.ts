import { readFileSync } from 'node:fs';
import path from 'node:path';
import { info, setSecret } from '@actions/core';
import { deployToSeveral } from './fleet-run.ts';
import { leftDeploy } from './follow-up.ts';
import { deployToOne } from './host-run.ts';
import { type Inputs, readInputs } from './inputs.ts';
import { deploymentOf, makePlan } from './plan.ts';
import { looksOnly, type Plan } from './protocol.ts';
import { openDeployment } from './report/deployment.ts';
import { type DeploymentStatus, statusWithoutResult } from './report/deployment-status.ts';
import { noteDeploy, noteSettled } from './report/left-for-post.ts';
import { startLog } from './report/log.ts';
import { reportTrouble } from './report/report.ts';
import { versionLine } from './report/version.ts';
import { type EarlySession, openEarly } from './runner/session/early-session.ts';
import { packProgram } from './runner/session/packed-program.ts';
import { gather } from './runner/upload/gather.ts';
import type { Ended } from './task.ts';
import { isOver, troubleOf } from './trouble.ts';
import { readWorkflow, workspaceOf } from './workflow.ts';

const started = performance.now();
const cancelled = new AbortController();
let endDeployment: ((status: DeploymentStatus) => Promise<void>) | null = null;
// Red until the opposite is known.
process.exitCode = 1;

async function main(): Promise<Ended> {
  const workflow = readWorkflow(process.env);
  const inputs = readInputs(process.env, workflow, setSecret);
  info(versionLine(process.env));
  const packed = packProgram({
    follower: readFileSync(path.join(__dirname, 'follower.js'), 'utf8'),
    host: readFileSync(path.join(__dirname, 'host.js'), 'utf8'),
  });
  const wished = makePlan(inputs, workflow);
  const early = earlySession(inputs, wished, packed);
  const bundle = inputs.upload && (await gather(inputs.upload, workspaceOf(process.env), startLog('')));
  const plan = bundle === null ? wished : { ...wished, ref: bundle.commit };
  const looks = looksOnly(plan);
  const noted = looks ? null : leftDeploy(plan, inputs).then(noteDeploy);
  if (!looks && plan.mode !== 'remove' && inputs.github.deployment)
    endDeployment = openDeployment(deploymentOf(plan, inputs, workflow));
  const task = { inputs, plan, workflow, bundle, early, started };
  const orders = {
    // Once `post` can know of the deploy. Both take a while, in which the host is connected to.
    program: Promise.all([packed, noted]).then(([program]) => program),
    cancelled: cancelled.signal,
  };
  return inputs.destinations.length === 1 ? deployToOne(task, orders) : deployToSeveral(task, orders);
}

/** While the files of an upload are read, the host gets ready for them. Several hosts have their turns. */
function earlySession(inputs: Inputs, plan: Plan, program: Promise<string>): EarlySession | null {
  const { upload, destinations, shellInit } = inputs;
  const [destination, ...others] = destinations;
  if (upload === null || looksOnly(plan) || others.length > 0) return null;
  const { say } = startLog(destination.label);
  return openEarly(destination, { plan, shellInit, program, say });
}

let ended = false;

/**
 * Ends the action, once: what comes after it, such as a late error of a closed connection or a signal, changes nothing
 * any more, also while the report is being written. `settled` says that nothing is left for the post step.
 */
async function end({ report, status, settled }: Ended): Promise<void> {
  if (ended) return;
  ended = true;
  process.exitCode = await report().catch(reportError);
  if (settled) {
    noteSettled();
    await endDeployment?.(status);
  }
  // Whatever is still open has nothing more to say; what was printed goes out first.
  process.stdout.write('', () => process.exit());
}

async function reportError(error: unknown): Promise<number> {
  return reportTrouble(troubleOf(error), performance.now() - started);
}

function endInTrouble(error: unknown): Promise<void> {
  const settled = isOver(error);
  const status = statusWithoutResult(troubleOf(error).message, settled);
  return end({ report: () => reportError(error), status, settled });
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

main().then(end, endInTrouble);
