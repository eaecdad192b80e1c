import { expect, test } from 'vitest';
import type { HostResult } from '../../src/protocol.ts';
import { headline, plainHeadline } from '../../src/report/headline.ts';
import { FACTS, failure, PREVIOUS, result, SHA } from './results.ts';

const up = [{ name: 'shop', instances: 2, online: 2, ended: 0 }];
const down = [{ name: 'shop', instances: 2, online: 0, ended: 0 }];
const half = [{ name: 'shop', instances: 2, online: 1, ended: 0 }];
const failed = (given: Partial<HostResult>): HostResult =>
  result({
    outcome: 'failed',
    sha: PREVIOUS,
    previousRun: 'x',
    failure: failure({ state: 'staged' }),
    ...given,
  });
const back = (given: Partial<HostResult>): HostResult => failed({ failure: failure(), ...given });
const check = (given: Partial<HostResult> = {}): HostResult =>
  result({ mode: 'check', outcome: 'unchanged', sha: PREVIOUS, target: null, ...given });
const SICK = 'The live app is not healthy: x.';
const status = (given: Partial<HostResult>): HostResult => check({ mode: 'status', ...given });
const sick = (given: Partial<HostResult>): HostResult =>
  status({ outcome: 'failed', failure: failure({ message: SICK }), unhealthy: SICK, ...given });

test.each<[HostResult, string]>([
  [result(), '✅ shop is live on web-1 at `aaaaaaa`, was `bbbbbbb`'],
  [result({ previousSha: null }), '✅ shop is live on web-1 at `aaaaaaa`'],
  [
    result({ failure: failure({ state: 'committed' }) }),
    '⚠️ shop is live on web-1 at `aaaaaaa`, but a later step failed',
  ],
  [
    result({ mode: 'remove', outcome: 'removed', sha: null, target: null, apps: [], previousRun: 'x' }),
    '✅ shop was removed from web-1, was `bbbbbbb`',
  ],
  [
    failed({ mode: 'remove', target: null, failure: failure({ state: 'locked' }) }),
    '❌ shop on web-1: it was not removed. The app is up on `bbbbbbb`.',
  ],
  [result({ mode: 'rollback' }), '✅ shop on web-1 was rolled back from `bbbbbbb` to `aaaaaaa`, as asked'],
  [result({ outcome: 'unchanged' }), '✅ shop on web-1 is unchanged: `aaaaaaa` was live already, healthy'],
  [failed({}), '❌ shop on web-1: `aaaaaaa` was not deployed. The app is up on `bbbbbbb`.'],
  [
    failed({ apps: down }),
    '🔴 shop is DOWN on web-1: `aaaaaaa` was not deployed, `bbbbbbb` runs 0 of 2 instances',
  ],
  [
    failed({ apps: half }),
    '🔴 shop is unhealthy on web-1: `aaaaaaa` was not deployed, `bbbbbbb` runs 1 of 2 instances',
  ],
  [
    failed({ apps: [] }),
    '🔴 shop is DOWN on web-1: `aaaaaaa` was not deployed, no instance of `bbbbbbb` runs',
  ],
  [
    failed({ apps: [], previousRun: '', sha: null }),
    '❌ shop on web-1: `aaaaaaa` was not deployed. Nothing runs there yet.',
  ],
  [
    failed({ apps: [], previousRun: '' }),
    '❌ shop on web-1: `aaaaaaa` was not deployed. No instance runs there.',
  ],
  [failed({ apps: null }), '❌ shop on web-1: `aaaaaaa` was not deployed. Nothing was changed.'],
  [
    back({ outcome: 'rolled-back' }),
    '↩️ shop on web-1: `aaaaaaa` was rolled back. The app is up on `bbbbbbb`.',
  ],
  [
    back({ outcome: 'rolled-back', apps: [], previousRun: '', sha: null }),
    '↩️ shop on web-1: `aaaaaaa` was rolled back. Nothing runs, as before.',
  ],
  [
    back({ outcome: 'rolled-back', apps: down }),
    '🔴 shop is DOWN on web-1: `aaaaaaa` was rolled back, `bbbbbbb` runs 0 of 2 instances',
  ],
  [
    back({ outcome: 'rollback-failed', apps: down }),
    '🔴 shop is DOWN on web-1: neither `aaaaaaa` nor `bbbbbbb` works, 0 of 2 instances run',
  ],
  [
    back({ outcome: 'rollback-failed', apps: up }),
    '🔴 shop is unhealthy on web-1: neither `aaaaaaa` nor `bbbbbbb` works, 2 of 2 instances run',
  ],
  [
    back({ outcome: 'rollback-failed', apps: null }),
    '🔴 shop may be DOWN on web-1: neither `aaaaaaa` nor `bbbbbbb` works',
  ],
  [check(), '✅ shop on web-1: `aaaaaaa` can be deployed over `bbbbbbb`'],
  [
    check({ outcome: 'failed', failure: failure() }),
    '❌ shop on web-1: `aaaaaaa` cannot be deployed. The app is up on `bbbbbbb`.',
  ],
  [
    check({ outcome: 'failed', failure: failure(), apps: down }),
    '🔴 shop is DOWN on web-1: `aaaaaaa` cannot be deployed, `bbbbbbb` runs 0 of 2 instances',
  ],
  [
    check({ outcome: 'failed', failure: failure({ message: SICK }), unhealthy: SICK }),
    '🔴 shop is unhealthy on web-1: `aaaaaaa` can be deployed, `bbbbbbb` runs 2 of 2 instances',
  ],
  [
    check({ apps: [], sha: null, previousRun: '' }),
    '✅ shop on web-1: `aaaaaaa` can be deployed. Nothing runs there yet.',
  ],
  [status({}), '✅ shop is up on web-1 at `bbbbbbb`: 2 of 2 instances run'],
  [status({ apps: [], sha: null }), '✅ shop on web-1: nothing runs there'],
  [sick({ apps: down }), '🔴 shop is DOWN on web-1: `bbbbbbb` runs 0 of 2 instances'],
  [sick({ apps: [] }), '🔴 shop is DOWN on web-1: no instance of `bbbbbbb` runs'],
  [sick({}), '🔴 shop is unhealthy on web-1: `bbbbbbb` runs 2 of 2 instances'],
  [
    status({ outcome: 'failed', failure: failure(), apps: null }),
    '❌ shop on web-1: its state could not be found out',
  ],
])('%#: %o', (ended, said) => {
  expect(headline(ended, FACTS)).toBe(said);
  expect(said.split(/\s+/).length - 1).toBeLessThanOrEqual(15);
  expect(plainHeadline(ended, FACTS)).toBe(said.replace(/^\S+ /, '').replaceAll('`', ''));
});

test('names come from what was asked for, then from PM2, then from the path; odd ones are code', () => {
  const of = (apps: string[], given: Partial<HostResult> = {}): string =>
    headline(result(given), { ...FACTS, label: 'a_b', apps }).split(' is live')[0] ?? '';
  expect(of(['web'])).toBe('✅ web');
  expect(of(['web', 'api'])).toBe('✅ web and api');
  expect(of(['web', 'api', 'jobs'])).toBe('✅ web and 2 more');
  expect(of([], { apps: null })).toBe('✅ shop');
  expect(of(['<b>@x'])).toBe('✅ `<b>@x`');
  expect(headline(result({ target: null }), { ...FACTS, ref: SHA, label: 'a_b' })).toContain('on `a_b` at');
});
