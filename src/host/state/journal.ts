import { join } from 'node:path';
import { MODES, type Mode, OUTCOMES, type Outcome, type Plan, STATES, type State } from '../../protocol.ts';
import { type Check, fields, isJson, oneOf, orNull, text } from '../system/checked.ts';
import { appendDurably, readIfThere, writeDurably } from '../system/durable.ts';
import { type Format, parseVersioned } from '../system/versioned.ts';

/** The deploy that a line of the journal is about, and its commit, null as long as that is not known. */
export interface Subject {
  deploy: string;
  mode: Mode;
  run: Plan['run'];
  sha: string | null;
}

/** One line of the journal: a state that a deploy entered, or how it ended (`outcome`). */
export interface Entry extends Subject {
  state: State;
  /** ISO 8601. For people only: nothing compares it. */
  at: string;
  /** Set on a deploy's last entry. */
  outcome: Outcome | null;
  /** Why, where the outcome is not a good one, or what a rollback is for. */
  reason: string | null;
}

/** Both ways to write return once the entry is on disk. */
export interface Journal {
  /** A state that the deploy enters now. */
  enter(subject: Subject, state: State, reason?: string | null): void;
  /** The deploy's last entry: `state` is the one that it came to. */
  end(subject: Subject, state: State, outcome: Outcome, reason?: string | null): void;
  /** Oldest first. Throws a `DeployFailure` if a newer version of ours has written one that cannot be understood. */
  entries(): Entry[];
  /** Shortens a long journal. Call it only if no deploy is unfinished. */
  trim(): void;
}

/** Who an entry is about, from whatever knows it: a plan, or a transaction. */
export function subjectOf(
  { deployId, mode, run }: { deployId: string; mode: Mode; run: Plan['run'] },
  sha: string | null,
): Subject {
  return { deploy: deployId, mode, run, sha };
}

export const runCheck: Check<Plan['run']> = fields({
  repository: text,
  id: text,
  attempt: text,
  url: text,
  actor: text,
});

const entryCheck: Check<Entry> = fields<Entry>({
  deploy: text,
  // The first entries of 0.1 have none, and are of a deploy.
  mode: (value = 'deploy', at) => oneOf(MODES)(value, at),
  run: runCheck,
  sha: orNull(text),
  state: oneOf(STATES),
  at: text,
  outcome: orNull(oneOf(OUTCOMES)),
  reason: orNull(text),
});

/** Of one line. */
const FORMAT: Format<Entry> = { what: 'A line of the journal', readers: [entryCheck] };

/** A journal with more lines is trimmed. So many good deploys stay, and so many others. */
const LONGEST = 1_000;
const KEPT = 100;

/** The journal is also the app's history: what was deployed when, by which run, and how it ended. */
export function openJournal(state: string): Journal {
  const file = join(state, 'journal.ndjson');
  const read = (): Entry[] => parseJournal(readIfThere(file) ?? '', file);
  const write = (
    subject: Subject,
    state: State,
    outcome: Outcome | null,
    reason: string | null = null,
  ): void => {
    const { deploy, mode, run, sha } = subject;
    const at = new Date().toISOString();
    // A power cut may leave a line without its end. The next one must not continue it.
    const torn = !(readIfThere(file) ?? '\n').endsWith('\n');
    appendDurably(
      file,
      `${torn ? '\n' : ''}${lineOf({ deploy, mode, run, sha, state, at, outcome, reason })}`,
    );
  };
  return {
    enter: (subject, state, reason) => write(subject, state, null, reason),
    end: (subject, state, outcome, reason) => write(subject, state, outcome, reason),
    entries: read,
    trim() {
      const entries = read();
      if (entries.length <= LONGEST) return;
      const ended = entries.filter(({ outcome }) => outcome !== null);
      // Counted apart, so that many failures do not push out the versions that a rollback can go to.
      const good = ended.filter(({ outcome }) => outcome === 'deployed').slice(-KEPT);
      const others = ended.filter(({ outcome }) => outcome !== 'deployed').slice(-KEPT);
      const kept = ended.filter((entry) => good.includes(entry) || others.includes(entry));
      writeDurably(file, kept.map(lineOf).join(''));
    },
  };
}

function lineOf(entry: Entry): string {
  return `${JSON.stringify({ version: FORMAT.readers.length, ...entry })}\n`;
}

function parseJournal(content: string, file: string): Entry[] {
  const lines = content.split('\n').filter((line) => line !== '');
  // A power cut tears a line; what it held was never relied upon.
  return lines.filter(isJson).map((line) => parseVersioned(line, file, FORMAT));
}

/** States in which PM2 or the live tree may be between two versions, or between one and none. */
const OPEN: readonly State[] = [
  'activating',
  'verifying',
  'verified',
  'rolling-back',
  'rollback-failed',
  'removing',
];

/** The last deploy's entry if that deploy is unfinished: a later one has to end it first. */
export function unfinished(entries: readonly Entry[]): Entry | null {
  const last = entries.filter((entry) => entry.outcome !== 'failed' && entry.outcome !== 'unchanged').at(-1);
  return last !== undefined && OPEN.includes(last.state) ? last : null;
}
