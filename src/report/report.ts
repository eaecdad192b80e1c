import * as core from '@actions/core';
import type { HostResult } from '../protocol.ts';
import { plainHeadline } from './headline.ts';
import { hostLines, hostSentence } from './hostile-text.ts';
import { isGood, type LiveLog, printTail } from './log.ts';
import { leaveGroup } from './log-group.ts';
import { prose } from './markdown.ts';
import { type Outputs, outputsOf, outputsWithoutResult } from './outputs.ts';
import { renderErrorSummary, renderSummary, type SummaryFacts } from './summary.ts';
import { versionLine } from './version.ts';

export interface ReportFacts extends SummaryFacts {
  /** Milliseconds of the whole action. */
  durationMs: number;
}

/** Above the report of the `post` step. */
export const LATE =
  '**Why it is told here:** the job was cancelled, or the action ended, before the server did. This is how the deploy ended.';

/** Why there is no result from a host. */
export interface Trouble {
  message: string;
  remedy: string | null;
  /** Lines that tell more. */
  output: readonly string[];
  /** Whether the deploy may still be going on there. */
  goesOn: boolean;
}

/**
 * Reports how the deploy ended, in outputs, summary and log, and returns the action's exit code. The exit code makes the
 * job red, not core's `setFailed`: the only error annotation is the log's last line.
 */
export async function reportResult(result: HostResult, log: LiveLog, facts: ReportFacts): Promise<number> {
  // The outcome does not depend on whether the runner takes outputs and summary: the log says it in any case.
  await attempt('Could not set the outputs', () =>
    setOutputs(outputsOf(facts.label, result, facts.durationMs)),
  );
  return reportLateResult(result, log, facts);
}

/** Like `reportResult`, but from the `post` step, which can no longer set outputs. */
export async function reportLateResult(
  result: HostResult,
  log: LiveLog,
  facts: ReportFacts,
): Promise<number> {
  await attempt('Could not write the summary', () => appendSummary(renderSummary(result, facts)));
  // Last: GitHub opens a failed log at its end.
  log.finish(result, plainHeadline(result, facts));
  return isGood(result) ? 0 : 1;
}

/** Reports that no host reported an end, and returns the action's exit code. Never rejects: nothing would catch it. */
export async function reportTrouble(trouble: Trouble, durationMs: number): Promise<number> {
  await attempt('Could not set the outputs', () => setOutputs(outputsWithoutResult(durationMs)));
  return tell(trouble, trouble.goesOn);
}

/** Like `reportTrouble`, but from the `post` step, which can no longer set outputs. */
export async function reportLateTrouble(trouble: Trouble): Promise<number> {
  return tell(trouble, false);
}

/** `goesOn`: the post step comes after this, and has the last word. */
async function tell({ message, remedy, output }: Trouble, goesOn: boolean): Promise<number> {
  await attempt('Could not write the summary', () =>
    appendSummary(renderErrorSummary(message, remedy, output, goesOn)),
  );
  await attempt('Could not write the log', () => {
    leaveGroup();
    printTail('More details', output, '  ');
    core.error(
      hostLines([message, remedy ?? ''].join('\n'), { colours: false })
        .join('\n')
        .trim(),
      { title: goesOn ? 'The deploy may still go on' : 'PM2 SSH Deploy failed' },
    );
  });
  return 1;
}

export function setOutputs(outputs: Outputs): void {
  for (const [name, value] of Object.entries(outputs)) core.setOutput(name, value);
}

export async function appendSummary(markdown: string): Promise<void> {
  // Outside a workflow, and on old GitHub servers, there is no summary. Core would throw.
  if (!process.env.GITHUB_STEP_SUMMARY) return;
  // A failed attempt may have left text in the buffer.
  const version = `<sub>${prose(versionLine(process.env), 200)}</sub>\n\n`;
  await core.summary.emptyBuffer().addRaw(markdown).addRaw(version).write();
}

export async function attempt(trouble: string, work: () => void | Promise<void>): Promise<void> {
  try {
    await work();
  } catch (error) {
    process.stderr.write(`${hostSentence(`${trouble}: ${String(error)}`)}\n`);
  }
}
