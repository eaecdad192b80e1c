import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Context } from '../../../src/host/context.ts';
import { prune } from '../../../src/host/deploy/prune.ts';
import { requireSpace } from '../../../src/host/deploy/required-space.ts';
import { gitIn } from '../../../src/host/git/git.ts';
import { programOf, saveProgram } from '../../../src/host/program/program.ts';
import { saveCurrent } from '../../../src/host/state/current.ts';
import { openJournal } from '../../../src/host/state/journal.ts';
import { saveReplaced } from '../../../src/host/state/replaced.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import { momentNow } from '../../../src/host/system/processes.ts';
import type { Outcome, State } from '../../../src/protocol.ts';

let scratch: string;
let context: Context;
const beside = (...names: string[]): string => join(scratch, 'beside', ...names);

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'prune-'));
  for (const name of ['live', 'beside', 'state', 'runs/run-now'])
    mkdirSync(join(scratch, name), { recursive: true, mode: 0o700 });
  const places = {
    top: join(scratch, 'live'),
    live: join(scratch, 'live'),
    workDir: join(scratch, 'live'),
    beside: beside(),
    state: join(scratch, 'state'),
  };
  const git = gitIn(places.live, {
    clock: createClock(),
    env: { PATH: process.env.PATH },
    timeLimit: 10_000,
    locks: new Set(),
  });
  context = {
    places,
    gitAfterwards: git,
    runDir: join(scratch, 'runs/run-now'),
    env: { PATH: process.env.PATH },
    plan: { layout: { kind: 'in-place' }, keepReleases: 2, freshInstall: false, source: { kind: 'git' } },
    journal: openJournal(places.state),
  } as unknown as Context;
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const run = { repository: 'o/r', id: '1', attempt: '1', url: '', actor: 'ann' };
function enter(deploy: string, state: State, outcome: Outcome | null = null): void {
  const subject = { deploy, mode: 'deploy' as const, run, sha: null };
  if (outcome === null) context.journal.enter(subject, state);
  else context.journal.end(subject, state, outcome);
}

test.each<[State, Outcome | null]>([
  ['activating', null],
  ['verifying', null],
  ['rolling-back', null],
  ['rollback-failed', 'rollback-failed'],
])('what an unfinished deploy replaced is never removed: %s', async (state, outcome) => {
  mkdirSync(beside('deploy-a', 'kept'), { recursive: true });
  writeFileSync(beside('deploy-a', 'kept', 'server.js'), 'the only one of the old version');
  enter('deploy-a', state, outcome);
  enter('deploy-b', 'fetched', 'failed');
  await prune(context, 'deploy-b');
  expect(existsSync(beside('deploy-a', 'kept', 'server.js'))).toBe(true);
});

test('of what is finished, what the current version replaced and the last broken version stay', async () => {
  for (const path of [
    'deploy-0/kept.reappeared',
    'deploy-a/kept',
    'deploy-b/kept',
    'deploy-b/version',
    'broken-deploy-a',
    'broken-deploy-c',
    'discarded-1',
  ]) {
    mkdirSync(beside(path), { recursive: true });
  }
  saveCurrent(context.places.state, {
    deployId: 'deploy-b',
    sha: 'b'.repeat(40),
    fingerprint: 'f',
    record: 'built-deploy-b.json',
    config: [],
    runsAs: 'deploy-b',
    since: momentNow(),
    ports: [],
    restarts: null,
    abi: null,
  });
  for (const name of ['built-deploy-a.json', 'built-deploy-b.json'])
    writeFileSync(join(context.places.state, name), '{}');
  enter('deploy-b', 'committed', 'deployed');
  enter('deploy-c', 'rolled-back', 'rolled-back');
  await prune(context, 'deploy-c');
  const left = (path: string): boolean => existsSync(beside(path));
  expect(
    ['deploy-b/kept', 'broken-deploy-c', 'deploy-0/kept.reappeared'].filter((path) => !left(path)),
  ).toEqual([]);
  expect(['deploy-a', 'deploy-b/version', 'broken-deploy-a', 'discarded-1'].filter(left)).toEqual([]);
  expect(existsSync(join(context.places.state, 'built-deploy-a.json'))).toBe(false);
  expect(existsSync(join(context.places.state, 'built-deploy-b.json'))).toBe(true);
});

const record = (name: string): string => `built-deploy-${name}.json`;
/** Of c as it came back, with assets of d. */
const withAssets = record('c.again-deploy-back');

/** b replaced a, c replaced b, d replaced c. Then somebody went back from d to c. */
function wentBack(): void {
  const { state } = context.places;
  const swaps = { b: ['a', 'b'], c: ['b', 'c'], d: ['c', 'd'], back: ['d', 'c'] } as const;
  for (const [deploy, [old, over]] of Object.entries(swaps)) {
    mkdirSync(beside(`deploy-${deploy}`, 'kept'), { recursive: true });
    const about = { sha: old, fingerprint: 'f', abi: null, files: { layout: 'in-place' as const, ops: [] } };
    saveReplaced(state, { deployId: `deploy-${deploy}`, over: record(over), record: record(old), ...about });
    writeFileSync(join(state, record(old)), '{}');
  }
  mkdirSync(beside('install'));
  writeFileSync(join(state, withAssets), '{}');
  const about = { fingerprint: 'f', config: [], since: momentNow(), ports: [], restarts: null, abi: null };
  const current = { deployId: 'deploy-back', sha: 'c', record: withAssets, runsAs: 'deploy-back' };
  saveCurrent(state, { ...about, ...current });
  enter('deploy-back', 'committed', 'deployed');
}

const records = (): string[] =>
  readdirSync(context.places.state).filter((name) => /^(replaced|built)-/.test(name));

test('of the versions that can be gone back to, as many stay as asked for: the last one first', async () => {
  wentBack();
  context.env.PATH = `${withFreeSpace(3)}:${process.env.PATH}`;
  await prune(context, 'deploy-back');
  expect(readdirSync(beside()).sort()).toEqual(['deploy-back', 'deploy-c', 'install']);
  const replaced = ['replaced-deploy-back.json', 'replaced-deploy-c.json'];
  expect(records()).toEqual([record('b'), withAssets, record('d'), ...replaced]);
});

test('with little space on the disk the last one stays alone, and no install', async () => {
  wentBack();
  context.env.PATH = `${withFreeSpace(1)}:${process.env.PATH}`;
  await prune(context, 'deploy-back');
  expect(readdirSync(beside())).toEqual(['deploy-back']);
  expect(records()).toEqual([withAssets, record('d'), 'replaced-deploy-back.json']);
});

test('a disk that has filled up since: earlier versions go before a deploy, and it is refused if that is not enough', async () => {
  const said: unknown[] = [];
  context = { ...context, log: (event) => said.push(event) };
  wentBack();
  const kept = beside('deploy-c');
  context.env.PATH = `${withFreeSpace(1, `[ ! -d ${kept} ] || free=10000`)}:${process.env.PATH}`;
  context.plan.mode = 'rollback';
  await requireSpace(context);
  expect(existsSync(kept)).toBe(false);
  expect(JSON.stringify(said)).toContain('Only 10 MiB are free on the disk of');
  expect(existsSync(beside('deploy-back'))).toBe(true);

  wentBack();
  context.env.PATH = `${withFreeSpace(1)}:${process.env.PATH}`;
  await requireSpace(context);
  expect(existsSync(kept)).toBe(true);
  context.plan.mode = 'deploy';
  await requireSpace(context);
  expect(existsSync(kept)).toBe(false);

  context.env.PATH = `${withFreeSpace(0)}:${process.env.PATH}`;
  await expect(requireSpace(context)).rejects.toThrow(/^Only 0 MiB are free on the disk of \S+\.$/);
});

test('where the next rollback goes stays before all others', async () => {
  for (const sha of ['a', 'b', 'c', 'd'])
    context.journal.end({ deploy: sha, mode: 'deploy', run, sha }, 'committed', 'deployed');
  context.journal.end({ deploy: 'back', mode: 'rollback', run, sha: 'c' }, 'committed', 'deployed');
  wentBack();
  context.plan.keepReleases = 1;
  await prune(context, 'deploy-back');
  expect(records()).toEqual([record('b'), withAssets, 'replaced-deploy-c.json']);
  expect(readdirSync(beside())).toContain('deploy-c');
});

/** A directory for PATH, whose `df` says that so many GiB are free, or what this line of a shell makes of it, in KiB. */
function withFreeSpace(gigabytes: number, line = ''): string {
  const script = `free=${gigabytes * 1024 * 1024}\n${line}\necho "Filesystem\n/dev/sda1 9999999 1 $free 1% /"\n`;
  writeFileSync(join(scratch, 'df'), `#!/bin/sh\n${script}`, { mode: 0o755 });
  return scratch;
}

test('a link in the place of our directory: nothing behind it is removed', async () => {
  const precious = join(scratch, 'precious');
  mkdirSync(join(precious, 'photos'), { recursive: true, mode: 0o700 });
  rmSync(beside(), { recursive: true });
  symlinkSync(precious, beside());
  await expect(prune(context, 'deploy-a')).rejects.toThrow(`a link to ${precious}`);
  expect(readdirSync(precious)).toEqual(['photos']);
});

test('a deploy that failed before it made anything leaves nothing to prune', async () => {
  rmSync(beside(), { recursive: true });
  await prune(context, 'deploy-a');
});

test('what a program that was killed has left with secrets in it goes; what one that runs has there stays', async () => {
  const runs = { dead: { ...programOf(process.pid), ticks: 1 }, alive: programOf(process.pid) };
  const passing = [
    'reserve',
    'pm2-ssh-deploy.json',
    'canary-0.cjs',
    'canary-0-out.log',
    'migrate-command.sh',
  ];
  for (const [name, program] of Object.entries(runs)) {
    mkdirSync(join(scratch, 'runs', name));
    saveProgram(join(scratch, 'runs', name), program);
    for (const file of [...passing, 'events.ndjson']) writeFileSync(join(scratch, 'runs', name, file), '');
  }
  await prune(context, 'deploy-a');
  expect(readdirSync(join(scratch, 'runs/dead')).sort()).toEqual(['events.ndjson', 'program.json']);
  expect(readdirSync(join(scratch, 'runs/alive'))).toEqual(expect.arrayContaining(passing));
});
