import { expect, test } from 'vitest';
import { type Pair, pairsIn } from '../../../src/host/handover/half-way.ts';
import { type ForkApp, requiredPorts, wayOf } from '../../../src/host/handover/way.ts';
import type { Instance } from '../../../src/host/pm2/list.ts';

const GIB = 1024 ** 3;
const app: ForkApp = {
  name: 'web',
  handover: 'auto',
  version: [22, 12],
  preloaded: true,
  watched: false,
  counted: false,
  online: true,
  listeners: [{ pid: 1, ports: [3000], drains: true, shares: true }],
  oldPort: 3000,
  newPort: 3000,
  anyPorts: [32_768, 60_999],
  memory: GIB,
  free: 4 * GIB,
};

test('an app whose port can be shared is handed over', () => {
  expect(wayOf(app)).toEqual({ kind: 'handover', ports: [3000] });
});

test.each<[string, Partial<ForkApp>, string]>([
  ['a worker, or a Unix socket', { listeners: [] }, 'it listens on no TCP port'],
  ['off', { handover: 'off' }, 'handover is off'],
  ['Python', { version: null, preloaded: false }, 'does not start it with Node'],
  ['an old Node', { version: [20, 20] }, 'Node 20.20 cannot share a port. Node 22.12 or later can.'],
  ['watch', { watched: true }, 'watch'],
  ['increment_var', { counted: true }, 'increment_var'],
  [
    'the first time',
    { listeners: [{ pid: 1, ports: [3000], drains: false, shares: false }] },
    'From the next deploy on nothing is lost.',
  ],
  [
    'a port of another program',
    { listeners: [{ pid: 1, ports: [3000], drains: true, shares: false }] },
    'cannot share its port',
  ],
  [
    'little memory',
    { free: GIB },
    'not enough memory for two instances: it has 1024 MiB, and 1024 MiB are free',
  ],
])('%s: it is restarted, and the log says why', (_, changes, why) => {
  expect(wayOf({ ...app, ...changes })).toEqual({ kind: 'restart', why: expect.stringContaining(why) });
});

test('an app that is not online is started, and there is nothing to say', () => {
  expect(wayOf({ ...app, online: false })).toEqual({ kind: 'restart', why: null });
});

test.each<[string, number[], Partial<ForkApp>, number[]]>([
  ['all fixed ports', [3000, 9090], {}, [3000, 9090]],
  ['not one that the kernel chose', [3000, 40_000], {}, [3000]],
  ['its PORT, wherever it is', [40_000, 40_001], { oldPort: 40_000, newPort: 40_000 }, [40_000]],
  ['the new PORT instead of the old one', [3000, 9090], { newPort: 4000 }, [4000, 9090]],
  ['the first PORT in its settings', [3000], { oldPort: null, newPort: 4000 }, [4000]],
  ['all, where none is known to be fixed', [40_000], { oldPort: null, newPort: null }, [40_000]],
])('the successor must listen on %s', (_, ports, changes, expected) => {
  const listeners = [{ pid: 1, ports, drains: true, shares: true }];
  expect(requiredPorts({ ...app, listeners, ...changes })).toEqual(expected);
});

test('two entries of one instance by different deploys are a handover that was cut off', () => {
  const one = (pmId: number, deployId: string | null, more: Partial<Instance> = {}): Instance =>
    ({ pmId, deployId, name: 'web', execMode: 'fork', instanceNumber: 0, ...more }) as Instance;
  const ids = (pairs: Pair[]): number[][] => pairs.map(({ older, newer }) => [older.pmId, newer.pmId]);
  expect(ids(pairsIn([one(7, 'b'), one(3, 'a')]))).toEqual([[3, 7]]);
  expect(pairsIn([one(3, 'a'), one(4, 'a')])).toEqual([]);
  expect(pairsIn([one(3, 'a'), one(4, 'b', { instanceNumber: 1 })])).toEqual([]);
  expect(pairsIn([one(3, 'a'), one(4, 'b', { name: 'api' })])).toEqual([]);
  expect(pairsIn([one(3, 'a'), one(4, null)])).toEqual([]);
  expect(pairsIn([one(3, 'a', { execMode: 'cluster' }), one(4, 'b', { execMode: 'cluster' })])).toEqual([]);
});
