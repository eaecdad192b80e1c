import * as core from '@actions/core';
import type { Event, HostResult } from '../protocol.ts';
import { hostLines, hostSentence } from './hostile-text.ts';
import { standingLines } from './standing.ts';
import { formatDuration, outcomeSentence, remedySentence, requestsSentence, STATE_WORDS } from './words.ts';

/** Characters that the log takes from the commands of one host, all together. */
const MOST_OUTPUT = 4_000_000;
const WIDEST_STATE = Math.max(...Object.keys(STATE_WORDS).map((state) => state.length));

export interface LiveLog {
  /** Prints a line of the action's own. */
  say(text: string): void;
  /** Shows an event as it comes in. */
  event(event: Event): void;
  /** Says how the deploy ended. After a failure the reasons come last: GitHub's log opens there. */
  finish(result: HostResult): void;
}

/**
 * The log of one host. States stand at its left edge, with the time since the start. What commands print is folded into
 * groups between them. So a failed deploy reads as a dozen lines, then the reason.
 */
export function startLog(label: string, now: () => number = () => performance.now()): LiveLog {
  const start = now();
  const prefix = `  ${label} | `;
  let openGroup: string | null = null;
  let left = MOST_OUTPUT;

  const closeGroup = (): void => {
    if (openGroup !== null) core.endGroup();
    openGroup = null;
  };
  const timed = (line: string): void => {
    closeGroup();
    core.info(`[${formatDuration(now() - start).padStart(7)}] ${line}`);
  };
  const say = (text: string): void => timed(hostSentence(text, 1_200));
  const showOutput = (from: string, text: string): void => {
    const name = `${hostSentence(from, 20)} on ${label}`;
    if (openGroup !== name) {
      closeGroup();
      core.startGroup(name);
      openGroup = name;
    }
    if (left < 0) return;
    for (const line of hostLines(text, { prefix })) {
      left -= line.length;
      core.info(left < 0 ? `${prefix}(too much output for this log; the rest is left out)` : line);
      if (left < 0) return;
    }
  };

  return {
    say,
    event(event) {
      switch (event.type) {
        case 'state':
          return timed(
            `${hostSentence(event.state, 40).padEnd(WIDEST_STATE)}  ${STATE_WORDS[event.state] ?? ''}`,
          );
        case 'output':
          return showOutput(event.from, event.text);
        case 'notice':
          if (event.level !== 'warning') return say(event.text);
          closeGroup();
          return core.warning(hostSentence(`${label}: ${event.text}`));
        case 'end':
          return closeGroup();
      }
    },
    finish(result) {
      closeGroup();
      const { failure } = result;
      const remedy = remedySentence(failure);
      const requests = requestsSentence(result);
      if (requests !== null) say(requests);
      printTail('Last lines of the failed step', failure?.output ?? [], prefix);
      printTail("Last lines of the app's error log", failure?.appLog ?? [], prefix);
      for (const line of standingLines(result))
        core.info(hostLines(line, { prefix, colours: false }).join('\n'));
      const sentence = outcomeSentence(result);
      if (isGood(result)) say(sentence);
      else core.error(remedy ? `${sentence} ${remedy}` : sentence);
    },
  };
}

/** Whether the job may be green. */
export function isGood(result: HostResult): boolean {
  return result.outcome === 'deployed' || result.outcome === 'unchanged';
}

/** Prints a host's lines under a title. Prints nothing if there are none. */
export function printTail(title: string, lines: readonly string[], prefix: string): void {
  if (lines.length === 0) return;
  core.info('');
  core.info(`${title}:`);
  for (const line of hostLines(lines.join('\n'), { prefix, most: 100_000 })) core.info(line);
}
