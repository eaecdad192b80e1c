import { appendFileSync, mkdtempSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { beforeEach, expect, it } from 'vitest';
import { type Entry, type Journal, openJournal, unfinished } from '../../../src/host/state/journal.ts';
import type { Outcome, State } from '../../../src/protocol.ts';

let state: string;
beforeEach(() => {
  state = mkdtempSync(join(tmpdir(), 'journal-'));
});

const run = { repository: 'o/r', id: '1', attempt: '1', url: 'https://example.com/1', actor: 'ann' };
const entry = (deploy: string, at: State, outcome: Outcome | null = null): Omit<Entry, 'at'> => ({
  deploy,
  mode: 'deploy' as const,
  state: at,
  run,
  sha: null,
  outcome,
  reason: null,
});

function write(journal: Journal, { state, outcome, ...subject }: Omit<Entry, 'at'>): void {
  if (outcome === null) journal.enter(subject, state);
  else journal.end(subject, state, outcome);
}

it('keeps entries in order, in a file that others cannot read', () => {
  const journal = openJournal(state);
  write(journal, entry('a', 'activating'));
  write(journal, entry('a', 'committed', 'deployed'));
  expect(
    openJournal(state)
      .entries()
      .map(({ state }) => state),
  ).toEqual(['activating', 'committed']);
  expect(statSync(join(state, 'journal.ndjson')).mode & 0o777).toBe(0o600);
});

it('survives a line that a power cut tore', () => {
  write(openJournal(state), entry('a', 'activating'));
  appendFileSync(join(state, 'journal.ndjson'), '{"deploy":"a","state":"verif');
  write(openJournal(state), entry('a', 'rolling-back'));
  expect(
    openJournal(state)
      .entries()
      .map(({ state }) => state),
  ).toEqual(['activating', 'rolling-back']);
  expect(readFileSync(join(state, 'journal.ndjson'), 'utf8').endsWith('\n')).toBe(true);
});

it.each<[string, ReturnType<typeof entry>[], string | null]>([
  ['nothing was ever deployed', [], null],
  ['the last deploy was committed', [entry('a', 'activating'), entry('a', 'committed', 'deployed')], null],
  [
    'the last deploy was rolled back',
    [entry('a', 'activating'), entry('a', 'rolled-back', 'rolled-back')],
    null,
  ],
  ['one was killed while it swapped', [entry('a', 'activating')], 'activating'],
  ['one was killed while it verified', [entry('a', 'activating'), entry('a', 'verifying')], 'verifying'],
  [
    'one was killed while it rolled back',
    [entry('a', 'activating'), entry('a', 'rolling-back')],
    'rolling-back',
  ],
  [
    'a rollback failed',
    [entry('a', 'activating'), entry('a', 'rollback-failed', 'rollback-failed')],
    'rollback-failed',
  ],
  [
    'a later deploy failed before it could reconcile',
    [entry('a', 'activating'), entry('b', 'fetched', 'failed')],
    'activating',
  ],
])('knows what is left to finish when %s', (_, entries, left) => {
  const journal = openJournal(state);
  for (const one of entries) write(journal, one);
  expect(unfinished(journal.entries())?.state ?? null).toBe(left);
});

it('is trimmed once it is long: versions stay, whatever failed after them', () => {
  const journal = openJournal(state);
  for (let i = 0; i < 3; i++) write(journal, { ...entry(`good-${i}`, 'committed', 'deployed'), sha: `${i}` });
  const failed = JSON.stringify({ ...entry('bad', 'staged', 'failed'), at: '2026-01-01T00:00:00.000Z' });
  appendFileSync(join(state, 'journal.ndjson'), `${failed}\n`.repeat(2_000));
  journal.trim();
  const left = openJournal(state).entries();
  expect(left).toHaveLength(103);
  expect(left.slice(0, 3).map(({ sha }) => sha)).toEqual(['0', '1', '2']);
  journal.trim();
  expect(openJournal(state).entries()).toEqual(left);
});
