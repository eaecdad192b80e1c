import { describe, expect, it } from 'vitest';
import { type Expected, judge, type Snapshot, troubleInReload } from '../../../src/host/health/health.ts';
import type { Instance } from '../../../src/host/pm2/list.ts';

const expected: Expected = {
  deployId: 'new',
  instances: { web: 2 },
  ports: [3000],
  after: 500,
  knownOrphans: [77],
  healthUrl: 'http://localhost:3000/health',
};

function instance(pmId: number, change: Partial<Instance> = {}): Instance {
  const base = { pmId, name: 'web', pid: 100 + pmId, status: 'online', restartTime: 1, deployId: 'new' };
  return { ...base, ...change } as Instance;
}

function snapshot(change: Partial<Snapshot> = {}): Snapshot {
  return {
    instances: [instance(0), instance(1)],
    startTicks: new Map([
      [100, 501],
      [101, 510],
    ]),
    orphans: [77],
    accepting: new Set([3000]),
    complaint: null,
    ...change,
  };
}

describe('judge', () => {
  it('calls a version healthy when every rule holds', () => {
    expect(judge(expected, snapshot(), snapshot())).toEqual({ kind: 'healthy' });
  });

  it.each<[string, Partial<Snapshot>, string]>([
    ['an instance is missing', { instances: [instance(0)] }, "'web' has 1 instances instead of 2"],
    [
      'there is one too many',
      { instances: [instance(0), instance(1), instance(2, { pid: 100 })] },
      "'web' has 3 instances instead of 2",
    ],
    [
      'one is launching',
      { instances: [instance(0), instance(1, { status: 'launching' })] },
      "'web' (pm2 id 1) is launching",
    ],
    ['one is online with pid 0', { instances: [instance(0), instance(1, { pid: 0 })] }, 'pid 101 became 0'],
    ['a process is gone', { startTicks: new Map([[100, 501]]) }, "'web' (pm2 id 1) has no living process"],
    [
      'one still runs another version',
      { instances: [instance(0), instance(1, { deployId: 'old' })] },
      "'web' (pm2 id 1) still runs another version",
    ],
    [
      'one began between the swap and the reload, with the right id and the right directory',
      {
        startTicks: new Map([
          [100, 501],
          [101, 500],
        ]),
      },
      "was started before this version's files were in place",
    ],
    ['an old worker lives on, unlisted', { orphans: [77, 88] }, 'does not list: pid 88'],
    [
      'its health URL answers badly',
      { complaint: 'http://localhost:3000/health answers 500: the database is out of reach' },
      'answers 500: the database is out of reach',
    ],
    ['nothing listens', { accepting: new Set() }, 'nothing accepts connections on port 3000'],
    [
      'one is errored',
      { instances: [instance(0), instance(1, { status: 'errored', pid: 0 })] },
      "'web' (pm2 id 1) is errored",
    ],
    [
      'one waits for its restart',
      { instances: [instance(0, { status: 'waiting restart' }), instance(1)] },
      'is waiting restart',
    ],
    [
      'one crashed and came back',
      { instances: [instance(0, { restartTime: 2 }), instance(1)] },
      'crashed and was restarted (PM2 counts 2 restarts of it)',
    ],
    [
      'one has another pid',
      {
        instances: [instance(0, { pid: 200 }), instance(1)],
        startTicks: new Map([
          [200, 900],
          [101, 510],
        ]),
      },
      'pid 100 became 200',
    ],
  ])('does not when %s', (_, change, why) => {
    const verdict = judge(expected, snapshot(change), snapshot());
    expect(verdict.kind).not.toBe('healthy');
    expect(verdict).toHaveProperty('why', expect.stringContaining(why));
  });

  it('does not wait for what cannot heal', () => {
    const crashed = snapshot({ instances: [instance(0, { restartTime: 2 }), instance(1)] });
    expect(judge(expected, crashed, snapshot()).kind).toBe('broken');
    expect(judge(expected, snapshot({ accepting: new Set() }), snapshot()).kind).toBe('pending');
    expect(judge(expected, snapshot({ complaint: 'answers 503' }), snapshot()).kind).toBe('pending');
  });

  it('lets what still runs another version crash until its turn has come', () => {
    const old = { deployId: 'old', restartTime: 3 };
    const before = snapshot({ instances: [instance(0), instance(1, old)] });
    const crashed = snapshot({
      instances: [instance(0), instance(1, { ...old, restartTime: 4, pid: 300, status: 'waiting restart' })],
    });
    expect(judge(expected, crashed, before).kind).toBe('pending');
    expect(judge(expected, snapshot(), before)).toEqual({ kind: 'healthy' });
  });

  it('asks for no start time after the host was booted again', () => {
    const young = snapshot({
      startTicks: new Map([
        [100, 3],
        [101, 4],
      ]),
    });
    expect(judge({ ...expected, after: null }, young, young)).toEqual({ kind: 'healthy' });
  });
});

describe('troubleInReload', () => {
  const before = [
    instance(0, { deployId: 'old', restartTime: 5 }),
    instance(1, { deployId: 'old', restartTime: 5 }),
  ];

  it('takes the restart that the reload itself counts for no crash', () => {
    expect(
      troubleInReload('new', [instance(0, { restartTime: 6 }), before[1] as Instance], before),
    ).toBeNull();
  });

  it.each<[string, Instance]>([
    ['a crash', instance(0, { restartTime: 7 })],
    ['an errored instance', instance(0, { restartTime: 6, status: 'errored' })],
    ['a stopped instance', instance(0, { restartTime: 6, status: 'stopped' })],
    ['a crash of an instance that was not there before', instance(2, { restartTime: 1 })],
  ])('sees %s', (_, broken) => {
    expect(troubleInReload('new', [broken], before)).toContain(`(pm2 id ${broken.pmId})`);
  });

  it("looks at the new version's instances alone", () => {
    expect(troubleInReload('new', [instance(0, { deployId: 'old', restartTime: 9 })], before)).toBeNull();
  });
});
