import { type ChildProcess, execFileSync, type SpawnOptions, spawn } from 'node:child_process';
import {
  closeSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import type { Context } from '../../../src/host/context.ts';
import { pruneReleases } from '../../../src/host/deploy/prune-releases.ts';
import { gitIn } from '../../../src/host/git/git.ts';
import type { Instance } from '../../../src/host/pm2/list.ts';
import { openJournal } from '../../../src/host/state/journal.ts';
import { saveReplaced } from '../../../src/host/state/replaced.ts';
import { saveRecord } from '../../../src/host/swap/record.ts';
import { recordGenerated } from '../../../src/host/swap/tree.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import { filesOf, type Moment, momentNow, ticksNow } from '../../../src/host/system/processes.ts';
import { DATABASE, type Files, fingerprints, plant } from '../swap/site-fixture.ts';

let top: string;
let context: Context;
let sha: string;
let listed: Partial<Instance>[];
const release = (name: string): string => join(top, 'releases', name);
const left = (): string[] => readdirSync(join(top, 'releases')).sort();
const run = { repository: 'o/r', id: '1', attempt: '1', url: '', actor: 'ann' };
const TRACKED = { 'server.js': '1', 'uploads/.gitkeep': '' };

beforeEach(() => {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'prune-')));
  top = join(scratch, 'app');
  plant(top, { ...TRACKED, 'releases/live/server.js': '1' });
  const env = { PATH: process.env.PATH, HOME: scratch };
  const run = (...args: string[]): string =>
    execFileSync('git', ['-c', 'user.name=a', '-c', 'user.email=a@b', ...args], { cwd: top, env })
      .toString()
      .trim();
  run('init', '--quiet');
  run('add', 'server.js', 'uploads');
  run('commit', '--quiet', '--message', 'first');
  sha = run('rev-parse', 'HEAD');
  symlinkSync('releases/live', join(top, 'current'));
  listed = [];
  const state = join(scratch, 'state');
  mkdirSync(state);
  context = {
    places: {
      top,
      live: join(top, 'current'),
      workDir: join(top, 'current'),
      beside: join(scratch, 'beside'),
      state,
    },
    plan: { layout: { kind: 'releases', shared: [] } },
    gitAfterwards: gitIn(top, { clock: createClock(), env, timeLimit: 10_000, locks: new Set() }),
    journal: openJournal(state),
    pm2: { install: { root: '/usr/lib/node_modules/pm2' }, list: async () => listed },
  } as unknown as Context;
});
afterEach(() => rmSync(join(top, '..'), { recursive: true, force: true }));

/** A version that was verified and replaced, with what its app has made since. */
function version(name: string, made: Files = {}, until: Moment | null = null) {
  plant(release(name), TRACKED);
  const record = saveRecord(
    context.places.state,
    name,
    recordGenerated(release(name), fingerprints(TRACKED)),
  );
  plant(release(name), made);
  const replaced = { deployId: `after-${name}`, over: 'x', sha, record, fingerprint: 'f', abi: null };
  const files = { layout: 'releases', release: name, until } as const;
  saveReplaced(context.places.state, { ...replaced, files });
  return { ...replaced, files };
}

/** A process that stands elsewhere. */
function begin(program: string, args: string[], more: SpawnOptions = {}): ChildProcess {
  return spawn(program, args, {
    cwd: '/',
    stdio: 'ignore',
    ...more,
    env: { PATH: process.env.PATH, ...more.env },
  });
}

test('what is live, what is wanted and what a process stands in stays; a version that failed goes', async () => {
  const wanted = version('wanted');
  version('old');
  version('busy');
  plant(release('failed'), { 'server.js': '1', 'uploads/x': 'by a canary' });
  context.journal.end({ deploy: 'failed', mode: 'deploy', run, sha: null }, 'canary', 'failed');
  mkdirSync(join(release('busy'), 'deep'));
  const process = spawn('sleep', ['60'], { cwd: join(release('busy'), 'deep') });
  try {
    const staying = await pruneReleases(context, [wanted]);
    expect(left()).toEqual(['busy', 'live', 'wanted']);
    expect(staying.map(({ files }) => files)).toEqual([{ layout: 'releases', release: 'busy', until: null }]);
  } finally {
    process.kill('SIGKILL');
  }
});

test('a process that stands elsewhere keeps the version that it runs, reads or has mapped', async () => {
  const names = ['script', 'option', 'program', 'file', 'library', 'listed', 'unused'];
  for (const name of names) version(name);
  const script = join(release('script'), 'forever.js');
  writeFileSync(script, 'setInterval(() => {}, 1000);');
  writeFileSync(join(release('option'), 'first.js'), '');
  const program = join(release('program'), 'sleep');
  copyFileSync('/bin/sleep', program);
  const library = join(release('library'), 'libm.so');
  copyFileSync(readFileSync('/proc/self/maps', 'utf8').match(/\/\S+libm\S*/)?.[0] ?? '', library);
  listed.push({ cwd: '/', script: '/bin/sleep', interpreter: join(release('listed'), 'run'), args: [] });
  const file = openSync(join(release('file'), 'server.js'), 'r');
  const started = [
    begin(process.execPath, [script]),
    begin(process.execPath, [
      `--require=${release('option')}/first.js`,
      '--eval',
      'setInterval(() => {}, 1000)',
    ]),
    begin(program, ['60'], { argv0: 'sleep' }),
    begin('sleep', ['60'], { stdio: [file, 'ignore', 'ignore'] }),
    begin('sleep', ['60'], { env: { LD_PRELOAD: library } }),
  ];
  closeSync(file);
  try {
    await expect.poll(() => filesOf(started.at(-1)?.pid ?? 0)).toContain(library);
    await pruneReleases(context, []);
    expect(left()).toEqual(['file', 'library', 'listed', 'live', 'option', 'program', 'script']);
  } finally {
    for (const one of started) one.kill('SIGKILL');
  }
});

test('a process that has left its version, and shows nothing of it, keeps the one that was live as it was started', async () => {
  const pm2_env = JSON.stringify({ pm_cwd: join(top, 'current/apps') });
  // The ticks of two moments differ only if a hundredth of a second lies between them.
  const momentLater = async (): Promise<Moment> => {
    const before = momentNow();
    await expect.poll(() => ticksNow(), { interval: 10 }).toBeGreaterThan(before.ticks + 1);
    return before;
  };
  version('early', {}, await momentLater());
  const fork = begin('sleep', ['60'], { env: { pm_cwd: join(top, 'current') } });
  version('fork', {}, await momentLater());
  version('between', {}, await momentLater());
  const worker = begin('sleep', ['60'], { env: { pm2_env } });
  version('worker', {}, await momentLater());
  const job = begin('sh', ['-c', 'sleep 60; :', join(top, 'current/job.sh')]);
  version('job', {}, await momentLater());
  const now = begin('sleep', ['60'], { env: { pm_cwd: join(top, 'current') } });
  version('rebooted', {}, { boot: 'an earlier one', ticks: Number.MAX_SAFE_INTEGER });
  try {
    await pruneReleases(context, []);
    expect(left()).toEqual(['fork', 'job', 'live', 'worker']);
  } finally {
    for (const one of [fork, worker, job, now]) one.kill('SIGKILL');
  }
});

test('what no deploy of ours made stays, and whatever may be of use', async () => {
  plant(release('by-hand'), { 'server.js': '1' });
  const alternates = '.git/objects/info/alternates';
  plant(release('killed'), { 'server.js': '1', [alternates]: '' });
  plant(release('unknown'), { 'server.js': '1', [alternates]: '', 'data/app.db': DATABASE });
  plant(release('has-pm2'), { 'server.js': '1', [alternates]: '', 'node_modules/pm2/package.json': '{}' });
  context.pm2.install.root = join(release('has-pm2'), 'node_modules/pm2');
  await pruneReleases(context, []);
  expect(left()).toEqual(['by-hand', 'has-pm2', 'live', 'unknown']);
});

test('what an app has made in a version outlasts it', async () => {
  version('old', { 'uploads/a.png': 'a', '.env': 'its own', 'node_modules/.cache/x': '' });
  version('taken', { 'uploads/a.png': 'another' });
  version('database', { 'app.db': DATABASE });
  await pruneReleases(context, []);
  expect(left()).toEqual(['database', 'live', 'taken']);
  expect(existsSync(join(top, 'shared/uploads/a.png'))).toBe(true);
  expect(existsSync(join(top, 'shared/.env'))).toBe(false);
  expect(existsSync(join(release('database'), 'app.db'))).toBe(true);
  expect(existsSync(join(release('taken'), 'uploads/a.png'))).toBe(true);
});

test('a version whose replacement nobody noted: what its app has made goes to shared, or the version stays', async () => {
  for (const name of ['by-hand', 'no-record']) {
    const { deployId } = version(name, { 'uploads/a.png': name });
    rmSync(join(context.places.state, `replaced-${deployId}.json`));
    context.journal.end({ deploy: name, mode: 'deploy', run, sha }, 'committed', 'deployed');
  }
  rmSync(join(context.places.state, 'built-no-record.json'));
  await pruneReleases(context, []);
  expect(left()).toEqual(['live', 'no-record']);
  expect(readFileSync(join(top, 'shared/uploads/a.png'), 'utf8')).toBe('by-hand');
});

test('a version that cannot be removed keeps none of the others', async () => {
  version('a');
  const odd = version('b');
  saveReplaced(context.places.state, { ...odd, sha: 'f'.repeat(40) });
  version('c');
  const said = vi.spyOn(console, 'error').mockImplementation(() => {});
  const staying = await pruneReleases(context, []);
  expect(said).toHaveBeenCalledOnce();
  said.mockRestore();
  expect(left()).toEqual(['b', 'live']);
  expect(staying.map(({ deployId }) => deployId)).toEqual(['after-b']);
});

test('without a link to a release nothing goes', async () => {
  version('old');
  rmSync(join(top, 'current'));
  await pruneReleases(context, []);
  expect(left()).toEqual(['live', 'old']);
});
