import * as core from '@actions/core';
import type { HostResult } from '../protocol.ts';
import { hostLines, hostSentence } from './hostile-text.ts';
import { isGood, type LiveLog, printTail } from './log.ts';
import { type Outputs, outputsOf, outputsWithoutResult } from './outputs.ts';
import { renderErrorSummary, renderSummary } from './summary.ts';

export interface ReportFacts {
  label: string;
  path: string;
  /** Where commits can be looked at, ending in `/commit`; null where that is not known. */
  commits: string | null;
  /** Milliseconds of the whole action. */
  durationMs: number;
}

/** Why there is no result of a host. */
export interface Trouble {
  message: string;
  remedy: string | null;
  /** Lines that tell more. */
  output: readonly string[];
}

/**
 * Reports how the deploy ended, in outputs, summary and log; returns the action's exit code. That, and not core's
 * `setFailed`, makes the job red: the one error annotation is the log's last line.
 */
export async function reportResult(result: HostResult, log: LiveLog, facts: ReportFacts): Promise<number> {
  // What became of the deploy does not hang on whether the runner can be told: the log says it in any case.
  await attempt('The outputs could not be set', () =>
    setOutputs(outputsOf(facts.label, result, facts.durationMs)),
  );
  return reportLateResult(result, log, facts);
}

/** As `reportResult`, from the `post` step, in which outputs cannot be set any more. */
export async function reportLateResult(
  result: HostResult,
  log: LiveLog,
  facts: ReportFacts,
): Promise<number> {
  await attempt('The summary could not be written', () => appendSummary(renderSummary(result, facts)));
  // Last, so that GitHub's view of a failed log opens at the reason.
  log.finish(result);
  return isGood(result) ? 0 : 1;
}

/** Reports that no host came to an end; returns the action's exit code. Never rejects: nobody is left to catch it. */
export async function reportTrouble(trouble: Trouble, durationMs: number): Promise<number> {
  await attempt('The outputs could not be set', () => setOutputs(outputsWithoutResult(durationMs)));
  return reportLateTrouble(trouble);
}

/** As `reportTrouble`, from the `post` step, in which outputs cannot be set any more. */
export async function reportLateTrouble({ message, remedy, output }: Trouble): Promise<number> {
  await attempt('The summary could not be written', () =>
    appendSummary(renderErrorSummary(message, remedy, output)),
  );
  await attempt('The log could not be written', () => {
    core.endGroup();
    printTail('What there is to know besides', output, '  ');
    core.error(
      hostLines([message, remedy ?? ''].join('\n'), { colours: false })
        .join('\n')
        .trim(),
    );
  });
  return 1;
}

function setOutputs(outputs: Outputs): void {
  for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
}

async function appendSummary(html: string): Promise<void> {
  // Outside of a workflow, and on old GitHub servers, there is no summary; core takes that for an error.
  if (!process.env.GITHUB_STEP_SUMMARY) return;
  // What an attempt that failed has left in the buffer is not to be written now.
  await core.summary.emptyBuffer().addRaw(html).write();
}

async function attempt(trouble: string, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${hostSentence(`${trouble}: ${String(error)}`)}\n`);
  }
}
