import { expect, test } from 'vitest';
import type { HostResult } from '../../../src/protocol.ts';
import { requireAsked } from '../../../src/runner/session/asked-for.ts';
import { SessionError } from '../../../src/runner/session/session-error.ts';
import { PREVIOUS, result, SHA } from '../../report/results.ts';

const check = (given: Partial<HostResult>, ref: string | null, mode: HostResult['mode'] = 'deploy'): void =>
  requireAsked(result({ mode, ...given }), { label: 'web-1', plan: { mode, ref } });

test.each<[Partial<HostResult>, string | null]>([
  [{}, SHA],
  [{}, 'main'],
  [{}, SHA.slice(0, 7)],
  [{}, null],
  [{ outcome: 'rolled-back', sha: PREVIOUS }, SHA],
  [{ outcome: 'failed', sha: null }, SHA],
])('taken: %o of %s', (given, ref) => {
  check(given, ref);
});

test('a removal leaves no commit', () => {
  check({ outcome: 'removed', sha: null }, null, 'remove');
  check({ outcome: 'unchanged', sha: null }, null, 'remove');
  expect(() => check({}, null, 'remove')).toThrow('it was asked to remove, and ended as deployed');
});

test('a look is not about the commit that it is given', () => {
  check({ outcome: 'unchanged', sha: PREVIOUS }, SHA, 'check');
  check({ outcome: 'unchanged', sha: null }, null, 'status');
});

test.each<[Partial<HostResult>, string | null, string]>([
  [
    { sha: PREVIOUS },
    SHA,
    `web-1 reported something that cannot be true: it ended as deployed with the commit ${PREVIOUS}, and ${SHA} was`,
  ],
  [{ outcome: 'unchanged', sha: PREVIOUS }, SHA, 'it ended as unchanged with the commit'],
  [{ sha: null }, 'main', 'it ended as deployed, with no commit'],
  [{ outcome: 'removed', sha: null }, SHA, 'it was asked to deploy, and ended as removed'],
  [{ mode: 'status' }, SHA, 'it was asked to deploy, and ended a status'],
])('red: %o of %s', (given, ref, says) => {
  const judge = (): void => requireAsked(result(given), { label: 'web-1', plan: { mode: 'deploy', ref } });
  expect(judge).toThrow(SessionError);
  expect(judge).toThrow(says);
});
