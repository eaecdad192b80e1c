import * as core from '@actions/core';
import type { HostResult } from '../protocol.ts';
import { type FleetFacts, fleetHeadline, fleetOutcome, mixSentence, resultsOf } from './fleet-outcome.ts';
import { hostTable } from './host-row.ts';
import { hostSentence } from './hostile-text.ts';
import { isGood, type LiveLog, printTail } from './log.ts';
import { leaveGroup } from './log-group.ts';
import { name, prose } from './markdown.ts';
import { outputsOfFleet } from './outputs.ts';
import { appendSummary, attempt, setOutputs } from './report.ts';
import { standingMarkdown } from './standing.ts';
import { advice, bounded, foldedParts, type SummaryFacts, whatBroke } from './summary.ts';

export interface FleetReportFacts extends FleetFacts, Pick<SummaryFacts, 'commits' | 'late'> {
  /** Milliseconds of the whole action. */
  durationMs: number;
  /** The log of each host, in the same order. */
  logs: readonly LiveLog[];
  /** Hosts that only followed the others, by label: what they say is no cause. */
  followed: ReadonlySet<string>;
}

/** GitHub shows ten annotations of a step. */
const MOST_ANNOTATIONS = 8;

/** Reports how a deploy to several hosts ended, and returns the action's exit code. */
export async function reportFleet(facts: FleetReportFacts): Promise<number> {
  const { hosts, durationMs } = facts;
  const outcome = fleetOutcome(hosts);
  const ends = hosts.map(({ label, end }) => ({
    label,
    end: end.kind === 'result' ? end.result : end.trouble.message,
  }));
  await attempt('Could not set the outputs', () => setOutputs(outputsOfFleet(ends, outcome, durationMs)));
  return reportLateFleet(facts);
}

/** Like `reportFleet`, but from the `post` step, which can no longer set outputs. */
export async function reportLateFleet(facts: FleetReportFacts): Promise<number> {
  const good = ['deployed', 'unchanged'].includes(fleetOutcome(facts.hosts));
  await attempt('Could not write the summary', () => appendSummary(renderFleetSummary(facts, good)));
  await attempt('Could not write the log', () => tellLog(facts, good));
  return good ? 0 : 1;
}

function tellLog({ hosts, logs, followed, ...facts }: FleetReportFacts, good: boolean): void {
  const headline = fleetHeadline({ hosts, ...facts });
  let left = MOST_ANNOTATIONS;
  const isCause = (label: string): boolean => {
    if (followed.has(label)) return false;
    left -= 1;
    return left >= 0;
  };
  for (const [index, { label, end }] of hosts.entries()) {
    leaveGroup();
    if (end.kind === 'result') {
      const annotated = !isGood(end.result) && isCause(label);
      logs[index]?.finish(end.result, annotated ? `${label}: ${headline}` : null);
      continue;
    }
    const { message, remedy, output } = end.trouble;
    printTail(`More details from ${label}`, output, `  ${label} | `);
    const text = hostSentence([message, remedy].filter(Boolean).join(' '), 2_000);
    if (isCause(label)) core.error(text, { title: `${label}: ${headline}` });
    else core.info(text);
  }
  const mix = mixSentence(hosts);
  if (mix !== null) core.info(mix);
  if (good) core.info(`${headline}.`);
  else core.error([`${headline}.`, mix].filter(Boolean).join(' '), { title: 'PM2 SSH Deploy failed' });
}

/** The job's summary of a deploy to several hosts. */
export function renderFleetSummary(facts: Omit<FleetReportFacts, 'logs'>, good: boolean): string {
  const { hosts, commits, followed } = facts;
  const outcome = fleetOutcome(hosts);
  const icon = good ? '✅' : outcome === 'rolled-back' ? '↩️' : outcome === 'rollback-failed' ? '🔴' : '❌';
  const mix = mixSentence(hosts);
  const rows = hosts.map(({ label, end }) => ({ label, result: end.kind === 'result' ? end.result : null }));
  return bounded([
    `### ${icon} ${prose(fleetHeadline(facts), 400)}`,
    facts.late,
    mix && prose(mix),
    hostTable(rows, commits),
    ...hosts.flatMap(({ label, username, end }) =>
      end.kind === 'trouble'
        ? [
            `**${name(label)}:** ${prose(end.trouble.message, 2_000)}`,
            end.trouble.remedy && `**What to do:** ${prose(end.trouble.remedy, 2_000)}`,
          ]
        : partsOf(end.result, { ...facts, label, username }, followed.has(label)),
    ),
    followed.size > 0 && `Gave up, or went back, with the others: ${[...followed].map(name).join(', ')}.`,
    ...resultsOf(hosts).flatMap(({ label, result }) => {
      const standing = standingMarkdown(result, commits);
      return standing === '' ? [] : [`#### ${name(label)}`, standing];
    }),
  ]);
}

function partsOf(result: HostResult, facts: SummaryFacts, followed: boolean): (string | null)[] {
  // One that followed the others well has nothing to add.
  if (result.failure === null || (followed && result.outcome !== 'rollback-failed')) return [];
  return [
    `#### ${name(facts.label)}`,
    ...whatBroke(result, facts),
    ...advice(result, facts),
    ...foldedParts(result),
  ];
}
