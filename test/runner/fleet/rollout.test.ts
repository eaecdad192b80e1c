import { expect, test } from 'vitest';
import type { HostResult, State, Word } from '../../../src/protocol.ts';
import { ended, type HostView, heard, lost, newView, told } from '../../../src/runner/fleet/host-view.ts';
import { nextOrders, type Rollout, whyStopped } from '../../../src/runner/fleet/rollout.ts';
import { fuzzRandom } from '../../rig/fuzz.ts';
import { pick } from '../../rig/random.ts';

const SHA = 'a'.repeat(40);
const OLD = 'b'.repeat(40);

type Settings = Partial<Omit<Rollout, 'hosts'>>;

/** A rollout whose hosts a test moves by hand. */
function rolloutOf(count: number, settings: Settings = {}) {
  let hosts: HostView[] = Array.from({ length: count }, (_, at) => newView(`host-${at + 1}`));
  let more: Settings = settings;
  const rollout = (): Rollout => ({
    mode: 'deploy',
    ref: SHA,
    maxParallel: { kind: 'hosts', count: 1 },
    scope: 'fleet',
    cancelled: null,
    isLate: false,
    ...more,
    hosts,
  });
  const change = (host: number, to: (view: HostView) => HostView): void => {
    hosts = hosts.map((view, at) => (at === host - 1 ? to(view) : view));
  };
  const fleet = {
    rollout,
    views: () => hosts,
    /** What is said now, as `host: word`. */
    says(): string[] {
      const orders = nextOrders(rollout());
      for (const { host, word } of orders) change(host + 1, (view) => told(view, word));
      return orders.map(({ host, word }) => `${host + 1}: ${wordOf(word)}`);
    },
    ready(host: number, place = String(host), given: Partial<NonNullable<HostView['readiness']>> = {}) {
      const readiness = { place, sha: OLD, healthy: true, previous: null, ...given };
      change(host, (view) => heard(view, { type: 'ready', ...readiness }));
      return fleet;
    },
    enters(state: State, ...some: number[]) {
      for (const host of some) change(host, (view) => heard(view, { type: 'state', state, atMs: 0 }));
      return fleet;
    },
    target(host: number, sha: string) {
      change(host, (view) => heard(view, { type: 'target', sha }));
      return fleet;
    },
    ends(outcome: HostResult['outcome'], ...some: number[]) {
      const failure = outcome === 'deployed' || outcome === 'unchanged' ? null : { state: 'staged' };
      for (const host of some) change(host, (view) => ended(view, { outcome, failure } as HostResult));
      return fleet;
    },
    loses(host: number) {
      change(host, (view) => lost(view, 'error'));
      return fleet;
    },
    with(changed: Settings) {
      more = { ...more, ...changed };
      return fleet;
    },
  };
  return fleet;
}

function wordOf(word: Word): string {
  switch (word.type) {
    case 'lock':
      return `lock ${word.ref?.slice(0, 4)}`;
    case 'go':
      return word.migrate ? 'go and migrate' : 'go';
    case 'roll-back':
    case 'cancel':
      return `${word.type}: ${word.reason}`;
    default:
      return word.type;
  }
}

/** All hosts locked, built, and waiting. */
function prepared(count: number, settings: Settings = {}, unwell: number[] = []) {
  const fleet = rolloutOf(count, settings);
  const all = Array.from({ length: count }, (_, at) => at + 1);
  for (const host of all) fleet.ready(host, String(host), { healthy: !unwell.includes(host) });
  for (const host of all) {
    expect(fleet.says()).toEqual([`${host}: lock aaaa`]);
    fleet.enters('fetched', host);
  }
  expect(fleet.says()).toEqual([]);
  return fleet.enters('staged', ...all).enters('prepared', ...all);
}

test('locks are taken one after the other, in an order that does not hang on the list', () => {
  const fleet = rolloutOf(3);
  fleet.ready(1, 'c').ready(2, 'a');
  expect(fleet.says()).toEqual([]);
  expect(fleet.ready(3, 'b').says()).toEqual(['2: lock aaaa']);
  expect(fleet.says()).toEqual([]);
  expect(fleet.enters('locked', 2).says()).toEqual([]);
  expect(fleet.enters('fetched', 2).says()).toEqual(['3: lock aaaa']);
  expect(fleet.enters('fetched', 3).says()).toEqual(['1: lock aaaa']);
});

test('a branch is resolved by the first host, for all', () => {
  const fleet = rolloutOf(2, { ref: 'main' });
  expect(fleet.ready(1).ready(2).says()).toEqual(['1: lock main']);
  expect(fleet.enters('fetched', 1).says()).toEqual([]);
  expect(fleet.target(1, SHA).says()).toEqual(['2: lock aaaa']);
});

test('a rollback goes to the one commit that all hosts would go to, or nowhere', () => {
  const alike = rolloutOf(3, { mode: 'rollback', ref: null });
  alike.ready(1, '1', { previous: SHA }).ready(2).ready(3, '3', { previous: SHA });
  expect(alike.says()).toEqual(['1: lock aaaa']);
  const apart = rolloutOf(2, { mode: 'rollback', ref: null });
  apart.ready(1, '1', { previous: SHA }).ready(2, '2', { previous: OLD });
  expect(apart.says()).toEqual([
    expect.stringMatching(
      /^1: cancel: the hosts would go back to different commits \(host-1 to a+, host-2 to b+\)/,
    ),
    expect.stringMatching(/^2: cancel/),
  ]);
});

test('two names of one directory are refused before anything is locked', () => {
  const fleet = rolloutOf(3);
  expect(fleet.ready(1, 'x').ready(2, 'y').ready(3, 'x').says()).toEqual(
    [1, 2, 3].map(
      (host) => `${host}: cancel: host-1 and host-3 are the same directory of the same machine; name it once`,
    ),
  );
});

test('one host goes first, with the migration; the others follow one by one, each once the last is verified', () => {
  const fleet = prepared(3);
  expect(fleet.says()).toEqual(['1: go and migrate']);
  expect(fleet.enters('activating', 1).says()).toEqual([]);
  expect(fleet.enters('verified', 1).says()).toEqual(['2: go']);
  expect(fleet.enters('verified', 2).says()).toEqual(['3: go']);
  expect(fleet.enters('verified', 3).says()).toEqual(['1: done', '2: done', '3: done']);
  expect(fleet.ends('deployed', 1, 2, 3).says()).toEqual([]);
  expect(whyStopped(fleet.rollout())).toBeNull();
});

test.each([
  [{ kind: 'hosts', count: 2 }, [[1], [2, 3], [4, 5], [6, 7], [8]]],
  [{ kind: 'hosts', count: 100 }, [[1], [2, 3, 4, 5, 6, 7, 8]]],
  [{ kind: 'percent', percent: 50 }, [[1], [2, 3, 4, 5], [6, 7, 8]]],
  [{ kind: 'percent', percent: 1 }, [[1], [2], [3], [4], [5], [6], [7], [8]]],
] as const)('max-parallel %j: one host, then batches', (maxParallel, batches) => {
  const fleet = prepared(8, { maxParallel });
  for (const batch of batches) {
    expect(fleet.says().map((text) => Number.parseInt(text, 10))).toEqual(batch);
    const [last = 0, ...others] = [...batch].reverse();
    // Each of them has to be verified.
    for (const host of others) expect(fleet.enters('verified', host).says()).toEqual([]);
    fleet.enters('verified', last);
  }
  expect(fleet.says()).toHaveLength(8);
});

test('hosts that are not well go first, those that have the commit already are left alone', () => {
  const fleet = prepared(4, {}, [3]).ends('unchanged', 1);
  expect(fleet.says()).toEqual(['3: go and migrate']);
  expect(fleet.enters('verified', 3).says()).toEqual(['2: go']);
  fleet.enters('verified', 2);
  expect(fleet.says()).toEqual(['4: go']);
  expect(fleet.enters('verified', 4).says()).toEqual(['2: done', '3: done', '4: done']);
});

test('nothing is activated anywhere if one build fails', () => {
  const fleet = prepared(3).enters('staged', 2);
  expect(fleet.says()).toEqual([]);
  expect(fleet.ends('failed', 2).says()).toEqual([
    '1: cancel: host-2 failed in staged',
    '3: cancel: host-2 failed in staged',
  ]);
  expect(fleet.ends('failed', 1, 3).says()).toEqual([]);
  expect(whyStopped(fleet.rollout())).toBe('host-2 failed in staged');
  expect(fleet.views().map(({ stand }) => stand)).toEqual([
    { at: 'ended', how: 'told' },
    { at: 'ended', how: 'failed', why: 'failed in staged' },
    { at: 'ended', how: 'told' },
  ]);
});

test('all hosts are looked at before one that cannot be reached ends it for the others', () => {
  const fleet = rolloutOf(3).ready(1);
  expect(fleet.loses(2).says()).toEqual([]);
  expect(fleet.ready(3).says()).toEqual([
    '1: cancel: host-2 could not be reached or looked at',
    '3: cancel: host-2 could not be reached or looked at',
  ]);
});

const BACK = 'roll-back: All hosts go back together, because host-3 failed in staged.';

test('what this run has changed goes back in reverse, one after the other, past one that cannot', () => {
  const fleet = prepared(4);
  for (const host of [1, 2]) {
    fleet.says();
    fleet.enters('verified', host);
  }
  expect(fleet.says()).toEqual(['3: go']);
  // It rolls itself back first.
  expect(fleet.enters('rolling-back', 3).says()).toEqual([]);
  expect(fleet.ends('rolled-back', 3).says()).toEqual(['4: cancel: host-3 failed in staged', `2: ${BACK}`]);
  expect(fleet.enters('rolling-back', 2).says()).toEqual([]);
  expect(fleet.ends('rollback-failed', 2).says()).toEqual([`1: ${BACK}`]);
  expect(fleet.ends('rolled-back', 1).says()).toEqual([]);
});

test('others of the batch are waited for, then as many go back at once as went', () => {
  const fleet = prepared(4, { maxParallel: { kind: 'hosts', count: 3 } });
  fleet.says();
  expect(fleet.enters('verified', 1).says()).toEqual(['2: go', '3: go', '4: go']);
  expect(fleet.ends('rolled-back', 3).says()).toEqual([]);
  expect(fleet.enters('verified', 2).says()).toEqual([]);
  expect(fleet.enters('verified', 4).says()).toEqual([`4: ${BACK}`, `2: ${BACK}`, `1: ${BACK}`]);
});

test('with rollback-scope host, verified hosts stay, and no further one goes', () => {
  const fleet = prepared(4, { scope: 'host' });
  fleet.says();
  fleet.enters('verified', 1).says();
  expect(fleet.ends('rolled-back', 2).says()).toEqual([
    '3: cancel: host-2 failed in staged',
    '4: cancel: host-2 failed in staged',
    '1: done',
  ]);
});

test('a host that dies in the middle is named, and the others go back', () => {
  const fleet = prepared(3);
  fleet.says();
  fleet.enters('verified', 1).says();
  expect(fleet.enters('activating', 2).loses(2).says()).toEqual([
    '3: cancel: host-2 was lost',
    '1: roll-back: All hosts go back together, because host-2 was lost.',
  ]);
});

test('a host that dies while all are told that it stays changes nothing for the others', () => {
  const fleet = prepared(2);
  fleet.says();
  fleet.enters('verified', 1).says();
  expect(fleet.enters('verified', 2).says()).toEqual(['1: done', '2: done']);
  expect(fleet.loses(2).ends('deployed', 1).says()).toEqual([]);
  expect(whyStopped(fleet.rollout())).toBe('host-2 was lost');
});

test('a cancelled job gives up what has not begun, and takes back the rest at once, without waiting for it', () => {
  const fleet = prepared(4);
  fleet.says();
  fleet.enters('verified', 1).says();
  fleet.with({ cancelled: 'the job was cancelled' }).enters('verifying', 2);
  const back = 'roll-back: All hosts go back together, because the job was cancelled.';
  expect(fleet.says()).toEqual([
    '3: cancel: the job was cancelled',
    '4: cancel: the job was cancelled',
    `1: ${back}`,
    `2: ${back}`,
  ]);
  expect(fleet.enters('verified', 2).says()).toEqual([]);
});

test('a job that is cancelled when all are verified is done', () => {
  const fleet = prepared(2, { maxParallel: { kind: 'hosts', count: 2 } });
  fleet.says();
  fleet.enters('verified', 1).says();
  fleet.enters('verified', 2).with({ cancelled: 'the job was cancelled' });
  expect(fleet.says()).toEqual(['1: done', '2: done']);
});

test.each([
  ['fleet', ['1: roll-back: All hosts go back together, because host-2 failed in staged.']],
  ['host', ['1: done']],
] as const)(
  'taken up late, with scope %s: nothing begins; once all have settled, verified hosts hear a word',
  (scope, said) => {
    const fleet = rolloutOf(2, { isLate: true, scope });
    fleet.ready(1).ready(2).enters('prepared', 1, 2);
    expect(fleet.says()).toEqual([]);
    expect(fleet.enters('verified', 1).says()).toEqual([]);
    expect(fleet.ends('failed', 2).says()).toEqual(said);
    const all = rolloutOf(2, { isLate: true, scope });
    all.enters('verified', 1).says();
    expect(all.enters('verified', 2).says()).toEqual(['1: done', '2: done']);
  },
);

/** Hosts that do what they are told, in any order, and fail where `fate` says so. */
test('whatever happens in whichever order, no deploy hangs, and none ends mixed while every host can be reached', () => {
  const random = fuzzRandom('rollouts');
  const NEXT: Partial<Record<string, State>> = {
    locking: 'fetched',
    preparing: 'prepared',
    going: 'verified',
  };
  for (let run = 0; run < 3_000; run += 1) {
    const count = 1 + random(6);
    const fleet = rolloutOf(count, {
      maxParallel: pick(random, [
        { kind: 'hosts', count: 1 } as const,
        { kind: 'hosts', count: 3 } as const,
        { kind: 'percent', percent: 50 } as const,
      ]),
    });
    const fates = Array.from({ length: count }, () =>
      random(10) < 3 ? pick(random, ['looking', 'locking', 'preparing', 'going']) : null,
    );
    for (let step = 0; ; step += 1) {
      expect(step, JSON.stringify(fleet.views())).toBeLessThan(500);
      fleet.says();
      // A host program that was killed is started again, and verifies once more.
      const waiting = fleet.views().flatMap(({ stand }, at) => (stand.at === 'verified' ? [at + 1] : []));
      if (waiting.length > 0 && random(20) === 0) fleet.enters('verifying', pick(random, waiting));
      const open = fleet.views().flatMap(({ stand }, at) => {
        const waits = ['ready', 'prepared', 'verified', 'ended'].includes(stand.at);
        return waits ? [] : [at + 1];
      });
      if (open.length === 0) break;
      const host = pick(random, open);
      const { at } = fleet.views()[host - 1]?.stand ?? { at: 'ended' };
      const fails = fates[host - 1] === at;
      if (at === 'looking') fails ? fleet.loses(host) : fleet.ready(host);
      else if (at === 'staying') fleet.ends('deployed', host);
      else if (at === 'leaving') fleet.ends('failed', host);
      else if (at === 'returning') fleet.ends('rolled-back', host);
      else if (fails && at === 'going') fleet.enters('rolling-back', host);
      else if (fails) fleet.ends('failed', host);
      else fleet.enters(NEXT[at] ?? 'verified', host);
    }
    const stands = fleet.views().map(({ stand }) => stand);
    expect(
      stands.every(({ at }) => at === 'ended'),
      JSON.stringify(stands),
    ).toBe(true);
    const good = stands.filter((stand) => stand.at === 'ended' && stand.how === 'good').length;
    expect([0, count], JSON.stringify({ fates, stands })).toContain(good);
    expect(good === count).toBe(fates.every((fate) => fate === null));
  }
});
