import { describe, expect, it } from 'vitest';
import {
  afterPlannedRestarts,
  baseInReload,
  type Expected,
  judge,
  type Snapshot,
  troubleInReload,
} from '../../../src/host/health/health.ts';
import type { Instance } from '../../../src/host/pm2/list.ts';

const expected: Expected = {
  deployId: 'new',
  instances: { web: 2 },
  ports: [3000],
  after: 500,
  knownOrphans: [77],
  healthUrl: 'http://localhost:3000/health',
  elsewhere: null,
};

function instance(pmId: number, change: Partial<Instance> = {}): Instance {
  const base = {
    pmId,
    name: 'web',
    pid: 100 + pmId,
    status: 'online',
    restartTime: 1,
    deployId: 'new',
    execMode: 'cluster',
    autorestart: true,
    settings: {},
    env: {},
    exitCode: null,
    createdAt: 1,
    pmUptime: -10_000,
    listenTimeout: null,
  };
  return { ...base, ...change } as Instance;
}

const cron = { settings: { cron_restart: '* * * * * *' } };

function snapshot(change: Partial<Snapshot> = {}): Snapshot {
  return {
    instances: [instance(0), instance(1)],
    startTicks: new Map([
      [100, 501],
      [101, 510],
    ]),
    directories: new Map(),
    at: 0,
    thrown: [],
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

  it.each([
    ['/srv/app/releases/old', 'runs in /srv/app/releases/old, which is not the directory of this version'],
    ['/srv/app', 'runs in /srv/app, which is not the directory of this version'],
    ['/srv/app/releases/new/apps/web', null],
    ['/srv/app/shared/uploads', null],
    ['/srv/app2', null],
    ['/', null],
  ])('with a directory for each version, a process may stand in its own or outside: %s', (directory, why) => {
    const elsewhere = { directory: '/srv/app', but: ['/srv/app/releases/new', '/srv/app/shared'] };
    const directories = new Map([[101, ['/srv/app/releases/new', directory]]]);
    const verdict = judge({ ...expected, elsewhere }, snapshot({ directories }), snapshot());
    expect(verdict).toEqual(
      why === null
        ? { kind: 'healthy' }
        : { kind: 'pending', why: `'web' (pm2 id 1) ${why}`, planned: false },
    );
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
      'crashed and was restarted (PM2 counted 2 restarts in all)',
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

describe('a job', () => {
  const job = (change: Partial<Instance> = {}): Instance =>
    instance(0, { execMode: 'fork', autorestart: false, status: 'stopped', pid: 0, exitCode: 0, ...change });
  const alone: Expected = { ...expected, instances: { web: 1 }, ports: [], healthUrl: null };
  const judged = (now: Instance, then: Instance = now) =>
    judge(alone, snapshot({ instances: [now] }), snapshot({ instances: [then] }));

  it.each<[string, Partial<Instance>]>([
    ['autorestart is off', {}],
    ['PM2 6 calls it online', { status: 'online' }],
    ['it has a restart_delay, so that PM2 says it waits', { status: 'waiting restart' }],
    ['0 is one of its stop_exit_codes', { autorestart: true, settings: { stop_exit_codes: [0] } }],
    ['PM2 knows no exit code', { exitCode: null }],
    ['it has a PORT from a shared env, in fork mode', { env: { PORT: '3000' } }],
  ])('that has ended is healthy: %s', (_, change) => {
    expect(judged(job(change))).toEqual({ kind: 'healthy' });
    expect(troubleInReload('new', [job(change)], [job(change)])).toBeNull();
  });

  it('is healthy while it works, as it ends, and as its clock starts it again', () => {
    const works = job({ status: 'online', pid: 100 });
    expect(judged(works)).toEqual({ kind: 'healthy' });
    expect(judged(job(), works)).toEqual({ kind: 'healthy' });
    expect(judged(job({ status: 'online', pid: 100, restartTime: 2, createdAt: 2 }), job())).toEqual({
      kind: 'healthy',
    });
  });

  it.each<[string, Partial<Instance>, string]>([
    ['another exit code', { exitCode: 3 }, "'web' (pm2 id 0) ended with exit code 3"],
    ['too many restarts', { status: 'errored' }, "'web' (pm2 id 0) is errored"],
    [
      'cluster mode, where a crash has exit code 0, and a port',
      { execMode: 'cluster', env: { PORT: '3000' } },
      "'web' (pm2 id 0) is stopped",
    ],
    ['autorestart, so that it is no job', { autorestart: true }, "'web' (pm2 id 0) is stopped"],
  ])('fails with %s', (_, change, why) => {
    expect(judged(job(change))).toEqual({ kind: 'broken', why });
    expect(troubleInReload('new', [job(change)], [job(change)])).toBe(why);
  });

  it('of another version is no healthy one', () => {
    expect(judged(job({ deployId: 'old' })).kind).toBe('pending');
  });
});

describe('a restart by cron_restart', () => {
  const before = snapshot({ instances: [instance(0, cron), instance(1, cron)] });
  const during = (change: Partial<Instance>): Snapshot =>
    snapshot({ instances: [instance(0, { ...cron, createdAt: 2, ...change }), instance(1, cron)] });

  it.each<[string, Partial<Instance>]>([
    ['stopping', { status: 'stopping' }],
    ['stopped', { status: 'stopped', pid: 0 }],
    ['launching', { status: 'launching', restartTime: 2 }],
  ])('is no crash while the instance is %s', (_, change) => {
    expect(judge(expected, during(change), before)).toMatchObject({ kind: 'pending', planned: true });
    expect(troubleInReload('new', during(change).instances, before.instances)).toBeNull();
  });

  it('is healthy once it is over, and a crash after it is one', () => {
    const over = during({ restartTime: 2 });
    expect(judge(expected, over, before)).toEqual({ kind: 'healthy' });
    const crashed = during({ restartTime: 3 });
    expect(judge(expected, crashed, afterPlannedRestarts(before, over))).toMatchObject({ kind: 'broken' });
  });

  it('is seen as one restart, though PM2 counts it late', () => {
    const stopping = during({ status: 'stopping' });
    const started = during({ status: 'online', restartTime: 2, pid: 200 });
    const ticks = new Map([
      [200, 900],
      [101, 510],
    ]);
    const since = afterPlannedRestarts(before, stopping);
    expect(judge(expected, { ...started, startTicks: ticks }, since)).toEqual({ kind: 'healthy' });
    const [mid, done] = [stopping.instances[0], started.instances[0]] as [Instance, Instance];
    const base = baseInReload(baseInReload(before.instances[0], mid, 'new'), done, 'new');
    expect(troubleInReload('new', [done], [base])).toBeNull();
    expect(troubleInReload('new', [{ ...done, restartTime: 3 }], [base])).toContain('crashed');
  });

  it('excuses a silent port while the instance boots, and no longer', () => {
    const mute = { ...during({ restartTime: 2, pmUptime: -1_000 }), accepting: new Set<number>() };
    expect(judge(expected, mute, before)).toMatchObject({ kind: 'pending', planned: true });
    expect(judge(expected, { ...mute, at: 9_000 }, before)).toMatchObject({
      kind: 'pending',
      planned: false,
    });
  });

  it('excuses nothing of an app without a clock', () => {
    const stopping = snapshot({ instances: [instance(0, { status: 'stopping' }), instance(1)] });
    expect(judge(expected, stopping, snapshot())).toMatchObject({ kind: 'pending', planned: false });
    expect(troubleInReload('new', stopping.instances, snapshot().instances)).toBeNull();
  });
});

describe('an error that nothing caught', () => {
  const thrown = ["'web' (pm2 id 0) threw an error that nothing caught (no database)"];

  it('is the end where nothing listens, and nothing where something does', () => {
    expect(judge(expected, snapshot({ thrown, accepting: new Set() }), snapshot())).toEqual({
      kind: 'broken',
      why: `${thrown[0]}, and nothing accepts connections on port 3000`,
    });
    expect(judge(expected, snapshot({ thrown }), snapshot())).toEqual({ kind: 'healthy' });
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

  it('follows restarts by a clock from look to look, and still sees a crash between them', () => {
    const looks = [
      instance(0, { ...cron, deployId: 'old', restartTime: 5 }),
      instance(0, { ...cron, createdAt: 2, restartTime: 6 }),
      instance(0, { ...cron, createdAt: 3, restartTime: 7 }),
      instance(0, { ...cron, createdAt: 3, restartTime: 8 }),
    ];
    let base: Instance | undefined;
    const troubles = looks.map((one) => {
      base = baseInReload(base, one, 'new');
      return troubleInReload('new', [one], [base]);
    });
    expect(troubles).toEqual([null, null, null, "'web' (pm2 id 0) crashed and was restarted"]);
  });

  it("looks at the new version's instances alone", () => {
    expect(troubleInReload('new', [instance(0, { deployId: 'old', restartTime: 9 })], before)).toBeNull();
  });
});
