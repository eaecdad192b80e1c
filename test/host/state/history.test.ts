import { describe, expect, it } from 'vitest';
import { newerRun, refuseOlderRun } from '../../../src/host/deploy/newer-run.ts';
import { previousVersion } from '../../../src/host/deploy/target.ts';
import { endedDeploys, goodVersions, versionStack } from '../../../src/host/state/history.ts';
import type { Entry } from '../../../src/host/state/journal.ts';

const run = { repository: 'o/r', id: '100', attempt: '1', url: 'https://example.com/100', actor: 'ann' };
let count = 0;

/** `A` deploys A, `<A` rolls back to it, `A!` deploys it and is rolled back, `A?` fails, `A=` finds it unchanged. */
function history(text: string): Entry[] {
  const outcomes = { '!': 'rolled-back', '?': 'failed', '=': 'unchanged' } as const;
  return text.split(' ').flatMap((word): Entry[] => {
    const [, back, sha = '', end] = /^(<?)(\w)([!?=]?)$/.exec(word) ?? [];
    const entry: Entry = {
      deploy: `d-${++count}`,
      mode: back ? 'rollback' : 'deploy',
      state: 'activating',
      at: `2026-01-01T00:00:${String(count % 60).padStart(2, '0')}.000Z`,
      run,
      sha,
      outcome: null,
      reason: null,
    };
    return [entry, { ...entry, outcome: end ? outcomes[end as keyof typeof outcomes] : 'deployed' }];
  });
}
const shas = (entries: { sha: string | null }[]): string => entries.map(({ sha }) => sha).join('');

it.each([
  // [what happened, the commit that is checked out, where a rollback goes]
  ['A B C', 'C', 'B'],
  ['A B C <B', 'B', 'A'],
  ['A B C <B <A', 'A', null],
  ['A B C <B D', 'D', 'B'],
  ['A B C! <A', 'A', null],
  ['A B!', 'A', null],
  ['A B C B!', 'C', 'A'],
  ['A B C B! B C', 'C', 'B'],
  ['A B? B', 'B', 'A'],
  ['A B A', 'A', 'B'],
  ['A B A <B', 'B', 'A'],
  ['A B A <B <A', 'A', null],
  ['A B B= B', 'B', 'A'],
  ['A B C <B!', 'C', 'A'],
  ['A B C <B?', 'C', 'B'],
  ['A B C <A C', 'C', 'A'],
  ['A B C <B <C', 'C', 'B'],
  // Another commit was checked out by hand.
  ['A B C', 'X', 'C'],
  ['A?', null, null],
])('after %s, with %s checked out, a rollback goes to %s', (text, current, target) => {
  const entries = history(text);
  const find = (): string => previousVersion(entries, current).sha;
  if (target === null) expect(find).toThrow('There is no version to roll back to');
  else expect(find()).toBe(target);
});

it('tells what was verified, the newest first, without what is marked bad', () => {
  expect(shas(goodVersions(history('A B C D! B! A')))).toBe('AC');
  expect(shas(versionStack(history('A B C D! <B')))).toBe('AB');
});

it('tells each deploy once, as it ended in the end', () => {
  const [start, end] = history('A!') as [Entry, Entry];
  const entries = [start, { ...end, outcome: 'rollback-failed' as const }, end, ...history('B')];
  expect(endedDeploys(entries).map(({ outcome }) => outcome)).toEqual(['rolled-back', 'deployed']);
});

describe('a run', () => {
  const by = (id: string, repository = 'o/r', attempt = '1') => ({ ...run, id, repository, attempt });
  it.each([
    ['an older one of the same repository', 'A B', by('99'), true],
    ['the same one, in another attempt', 'A B', by('100', 'o/r', '2'), false],
    ['a newer one', 'A B', by('101'), false],
    ['an older one whose newer one was rolled back', 'B!', by('99'), false],
    ['an older one, of a newer one that found nothing to do', 'A=', by('99'), true],
    ['an id that is longer, and so newer', 'A', by('1000'), false],
    ['one of another repository', 'A B', by('99', 'o/other'), false],
    ['one outside of a workflow', 'A B', by('', 'o/r'), false],
  ])('%s', (_, text, its, isOlder) => {
    expect(newerRun(history(text), its) !== null).toBe(isOlder);
  });

  it('is told by which one, when, and what to do', () => {
    const newer = newerRun(history('A'), by('99'));
    if (newer === null) throw new Error('no newer run');
    expect(() => refuseOlderRun(newer, by('99'))).toThrow(
      /Run 100 of this repository deployed A here at 2026-.*\(ann, https:\/\/example.com\/100\)\. It is newer than this run, 99\./,
    );
    expect(() => refuseOlderRun(newer, by('99', 'o/r', '3'))).toThrow(
      expect.objectContaining({ remedy: expect.stringContaining('github.run_attempt > 1') }),
    );
  });
});
