import { join } from 'node:path';
import type { Mode, Outcome, Plan, State } from '../../protocol.ts';
import { appendDurably, readIfThere, writeDurably } from '../system/durable.ts';

/** One line of the journal: a state that a deploy entered, or how it ended (`outcome`). */
export interface Entry {
  deploy: string;
  mode: Mode;
  state: State;
  /** ISO 8601; for people, never compared. */
  at: string;
  run: Plan['run'];
  sha: string | null;
  /** Set on a deploy's last entry. */
  outcome: Outcome | null;
  /** Why, where the outcome is not a good one. */
  reason: string | null;
}

export interface Journal {
  /** Returns once the entry is on disk. */
  write(entry: Omit<Entry, 'at'>): void;
  /** Oldest first. */
  entries(): Entry[];
  /** Keeps a long journal bounded. Only where no deploy is unfinished. */
  trim(): void;
}

/** Lines from which on a journal is trimmed, and how many ended deploys stay: of good ones, and of others. */
const LONGEST = 1_000;
const KEPT = 100;

/** The journal is also the app's history: what was deployed when, by which run, and how it ended. */
export function openJournal(state: string): Journal {
  const file = join(state, 'journal.ndjson');
  // A line that a power cut tore has no end: the next one must not continue it.
  let whole = (readIfThere(file) ?? '\n').endsWith('\n');
  return {
    write(entry) {
      appendDurably(
        file,
        `${whole ? '' : '\n'}${JSON.stringify({ ...entry, at: new Date().toISOString() })}\n`,
      );
      whole = true;
    },
    entries: () => parseJournal(readIfThere(file) ?? ''),
    trim() {
      const entries = parseJournal(readIfThere(file) ?? '');
      if (entries.length <= LONGEST) return;
      const ended = entries.filter(({ outcome }) => outcome !== null);
      // Separately, so that a row of failures does not push out the versions that a rollback can go to.
      const good = ended.filter(({ outcome }) => outcome === 'deployed').slice(-KEPT);
      const others = ended.filter(({ outcome }) => outcome !== 'deployed').slice(-KEPT);
      const kept = ended.filter((entry) => good.includes(entry) || others.includes(entry));
      writeDurably(file, kept.map((entry) => `${JSON.stringify(entry)}\n`).join(''));
      whole = true;
    },
  };
}

function parseJournal(text: string): Entry[] {
  return text.split('\n').flatMap((line) => {
    try {
      // Before there were modes, every entry was of a deploy.
      return line === '' ? [] : [{ mode: 'deploy', ...JSON.parse(line) } as Entry];
    } catch {
      return [];
    }
  });
}

/** States in which PM2 or the live tree may be between two versions. */
const OPEN: readonly State[] = ['activating', 'verifying', 'verified', 'rolling-back', 'rollback-failed'];

/** The last deploy's entry if that deploy never came to a good end, which a later one must bring about first. */
export function unfinished(entries: readonly Entry[]): Entry | null {
  const last = entries.filter((entry) => entry.outcome !== 'failed' && entry.outcome !== 'unchanged').at(-1);
  return last !== undefined && OPEN.includes(last.state) ? last : null;
}
