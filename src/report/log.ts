import * as core from '@actions/core';
import type { Event, HostResult, Plan, SourceLine, State } from '../protocol.ts';
import { findErrors, printedBy } from './error-lines.ts';
import { hostLines, hostSentence } from './hostile-text.ts';
import { enterGroup, leaveGroup } from './log-group.ts';
import { type LogKind, startLimits } from './log-limits.ts';
import { standingLines } from './standing.ts';
import {
  appLogTitle,
  formatDuration,
  outcomeSentence,
  remedySentence,
  requestsSentence,
  STATE_WORDS,
  stateWords,
} from './words.ts';

/** Lines of a failed step: the log has all of them above, in a group. */
const TAIL = 40;
/** Lines of a running command that are held before they are shown, with several hosts. */
const MOST_HELD = 200;
const WIDEST_STATE = Math.max(...Object.keys(STATE_WORDS).map((state) => state.length));

/** What the log of a deploy needs of its plan. */
export type LoggedPlan = Pick<Plan, 'mode' | 'source' | 'stableFor'>;

export interface LiveLog {
  /** Prints a line of the action's own. */
  say(text: string): void;
  /** Prints a warning of the action's own, which GitHub shows above the log too. */
  warn(text: string): void;
  /** Shows an event as it comes in. */
  event(event: Event): void;
  /**
   * Says how the deploy ended. After a failure the reasons come last: GitHub's log opens there. `title` is the annotation's;
   * null if there is to be none.
   */
  finish(result: HostResult, title: string | null): void;
}

/**
 * The log of one host. States stand at its left edge, with the time since the start. What commands print is folded into
 * groups between them. So a failed deploy reads as a dozen lines, then the reason.
 */
export function startLog(
  label: string,
  plan: LoggedPlan | null = null,
  now: () => number = () => performance.now(),
): LiveLog {
  return logOf({ label, plan, now, isOneOfSeveral: false });
}

/**
 * The log of one of several hosts: each line begins with its label, and what its commands print is held until a step has
 * ended, so that lines of several hosts do not mix.
 */
export function startLogBesideOthers(label: string, plan: LoggedPlan): LiveLog {
  return logOf({ label, plan, now: () => performance.now(), isOneOfSeveral: true });
}

interface LogOptions {
  label: string;
  plan: LoggedPlan | null;
  now: () => number;
  isOneOfSeveral: boolean;
}

function logOf({ label, plan, now, isOneOfSeveral }: LogOptions): LiveLog {
  const start = now();
  const prefix = `  ${label} | `;
  const before = isOneOfSeveral ? `${label}: ` : '';
  const held: { from: string; lines: string[] } = { from: '', lines: [] };
  const limits = startLimits();
  let entered: { state: State; atMs: number } | null = null;

  const timed = (line: string): void => {
    leaveGroup();
    core.info(`[${formatDuration(now() - start).padStart(7)}] ${before}${line}`);
  };
  const say = (text: string): void => timed(hostSentence(text, 1_200));
  const warn = (text: string, where?: SourceLine | null): void => {
    leaveGroup();
    core.warning(hostSentence(`${label}: ${text}`), {
      title: `Deploy to ${label}`,
      ...(where && { file: where.file, startLine: where.line }),
    });
  };
  /** Shows one more of a kind, unless the log has taken enough of it; says so once. */
  const bounded = (kind: LogKind, show: () => void): void => {
    const wasFull = limits.isFull(kind);
    if (limits.takes(kind)) show();
    else if (!wasFull) timed(`(too many ${kind} for this log; the rest is left out)`);
  };
  /** Ends the line of the state that was entered last, if any. */
  const leaveState = (next: { state: State; atMs: number } | null, failed: boolean): void => {
    if (entered !== null && (failed || !FINAL.has(entered.state)))
      timed(
        `${entered.state.padEnd(WIDEST_STATE)}  ${endOf(entered, next?.atMs ?? null, failed, plan?.stableFor ?? null)}`,
      );
    entered = next;
  };
  const showHeld = (): void => {
    if (held.lines.length === 0) return;
    enterGroup(`${hostSentence(held.from, 20)} on ${label}`);
    for (const line of held.lines.splice(0)) core.info(line);
    leaveGroup();
  };
  const showLine = (from: string, line: string): void => {
    if (!isOneOfSeveral) {
      core.info(line);
      return;
    }
    if (from !== held.from || held.lines.length >= MOST_HELD) showHeld();
    held.from = from;
    held.lines.push(line);
  };
  const showOutput = (from: string, text: string): void => {
    if (limits.isFull('lines of output')) {
      limits.takes('lines of output');
      return;
    }
    if (!isOneOfSeveral) enterGroup(`${hostSentence(from, 20)} on ${label}`);
    for (const line of hostLines(text, { prefix })) {
      const takes = limits.takes('lines of output', line.length);
      showLine(from, takes ? line : `${prefix}(too many lines of output for this log; the rest is left out)`);
      if (!takes) return;
    }
  };

  return {
    say,
    warn: (text) => warn(text),
    event(event) {
      switch (event.type) {
        case 'state':
          showHeld();
          return bounded('states', () => {
            leaveState(event, GOING_BACK.has(event.state));
            timed(`${event.state.padEnd(WIDEST_STATE)}  ${stateWords(event.state, plan)}`);
          });
        case 'output':
          return showOutput(event.from, event.text);
        case 'notice':
          return event.level === 'warning'
            ? bounded('warnings', () => warn(event.text, event.where))
            : bounded('notices', () => say(event.text));
        case 'end': {
          showHeld();
          const { failure, durationMs } = event.result;
          const failed = failure !== null && failure.state === entered?.state;
          if (entered !== null) leaveState({ state: entered.state, atMs: durationMs }, failed);
          entered = null;
          return leaveGroup();
        }
      }
    },
    finish(result, title) {
      leaveGroup();
      const leftOut = limits.leftOut();
      if (leftOut !== null) say(`Left out of this log: ${leftOut}.`);
      const { failure } = result;
      const remedy = remedySentence(failure);
      const requests = requestsSentence(result);
      if (requests !== null) say(requests);
      printTail('Last lines of the failed step', failure?.output.slice(-TAIL) ?? [], prefix);
      for (const log of failure?.appLogs ?? []) printTail(appLogTitle(log), log.lines, prefix);
      for (const line of standingLines(result))
        core.info(hostLines(line, { prefix, colours: false }).join('\n'));
      for (const { app, stream, lines } of result.standing?.logs ?? [])
        printTail(hostSentence(`Last lines of the ${stream} log of '${app}'`, 200), lines, prefix);
      const sentence = outcomeSentence(result);
      if (isGood(result) || title === null) say(sentence);
      else core.error([before + sentence, causeOf(failure), remedy].filter(Boolean).join(' '), { title });
    },
  };
}

/** The log without what commands print: that is in the log of the step itself, or lost with it. */
export function withoutOutput(log: LiveLog): LiveLog {
  return {
    ...log,
    event: (event) => {
      if (event.type === 'state' || event.type === 'end') log.event(event);
    },
  };
}

/** States that are themselves the end. */
const FINAL: ReadonlySet<State> = new Set(['committed', 'rolled-back', 'rollback-failed', 'removed']);
/** What is entered because the state before it failed. */
const GOING_BACK: ReadonlySet<State> = new Set(['rolling-back', 'rollback-failed']);

/** How a state ended, and how long it took; a program that took over from a killed one counts from its own start. */
function endOf(
  { state, atMs }: { state: State; atMs: number },
  to: number | null,
  failed: boolean,
  stableFor: number | null,
): string {
  const took = to !== null && to >= atMs ? formatDuration(to - atMs) : null;
  if (failed) return took === null ? 'FAILED' : `FAILED after ${took}`;
  const proved = (state === 'canary' || state === 'verifying') && stableFor !== null;
  return `ok${proved ? `: healthy for ${formatDuration(stableFor)}` : ''}${took === null ? '' : `, ${took}`}`;
}

/** The first error that was printed, unless the message has it; empty if nothing was. */
function causeOf(failure: HostResult['failure']): string {
  const first = findErrors(failure === null ? [] : printedBy(failure))?.lines[0] ?? '';
  const cause = hostSentence(first, 300);
  return cause === '' || failure?.message.includes(cause) ? '' : `It printed: ${cause}`;
}

/** Whether the job may be green. */
export function isGood(result: HostResult): boolean {
  const { outcome, failure } = result;
  return ['deployed', 'unchanged', 'removed'].includes(outcome) && failure === null;
}

/** Prints a host's lines under a title. Prints nothing if there are none. */
export function printTail(title: string, lines: readonly string[], prefix: string): void {
  if (lines.length === 0) return;
  core.info('');
  core.info(`${title}:`);
  for (const line of hostLines(lines.join('\n'), { prefix, most: 100_000 })) core.info(line);
}
