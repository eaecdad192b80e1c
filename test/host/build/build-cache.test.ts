import { execFileSync } from 'node:child_process';
import {
  existsSync,
  linkSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { carryBuildCache } from '../../../src/host/build/build-cache.ts';
import type { Context } from '../../../src/host/context.ts';
import { trackedFiles } from '../../../src/host/git/checkout.ts';
import { type Git, gitIn } from '../../../src/host/git/git.ts';
import { openJournal, subjectOf } from '../../../src/host/state/journal.ts';
import { recordGenerated } from '../../../src/host/swap/tree.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import type { Plan } from '../../../src/protocol.ts';
import { contents, type Files, identities, plant } from '../swap/site-fixture.ts';

let scratch: string;
let live: string;
let staging: string;
let env: NodeJS.ProcessEnv;
let lines: string[];
let abort: AbortController;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'build-cache-'));
  live = join(scratch, 'live');
  staging = join(scratch, 'staging');
  for (const name of ['beside', 'state']) mkdirSync(join(scratch, name));
  env = { PATH: process.env.PATH, HOME: scratch };
  lines = [];
  abort = new AbortController();
});
afterEach(() => rmSync(scratch, { recursive: true }));

const git = (...args: string[]): string => execFileSync('git', ['-C', live, ...args], { encoding: 'utf8' });

/** Commits the files in live, and nothing else. */
function commit(files: Files): string {
  plant(live, files);
  git('init', '--quiet');
  git('add', '--force', '--', ...Object.keys(files));
  git('-c', 'user.name=a', '-c', 'user.email=a@b.c', 'commit', '--quiet', '--allow-empty', '-m', 'x');
  return git('rev-parse', 'HEAD').trim();
}

const NEXT = JSON.stringify({ dependencies: { next: '16' } });
const SITE = { 'package.json': NEXT, 'page.js': '1' };
const CACHE = { '.next/cache/turbopack/v16/0001.sst': 'compiled', '.next/cache/.rscinfo': 'key' };

/** Has `old` live with what its build made, and offers its cache to a build of `next`. Gives what that finds. */
async function carry(
  { old = SITE, built = CACHE as Files, own = {} as Files, next = {} as Files } = {},
  plan: Partial<Plan> = {},
): Promise<Record<string, string>> {
  const at = (directory: string): Git =>
    gitIn(directory, { clock: createClock(), env, timeLimit: 10_000, locks: new Set() });
  const sha = commit(old);
  plant(live, built);
  const generated = recordGenerated(live, await trackedFiles(at(live), sha));
  plant(live, own);
  plant(staging, { ...old, ...next });
  const before = contents(staging);
  const liveBefore = identities(live);
  const blobs = Object.entries({ ...old, ...next }).map(
    ([path, content]) => [path, `100644 ${content}`] as const,
  );
  const context = {
    plan: { steps: { build: { kind: 'default' } }, freshInstall: false, ...plan },
    places: { beside: join(scratch, 'beside'), top: live, live },
    journal: openJournal(join(scratch, 'state')),
    git: at(live),
    log: (event: { text?: string }) => lines.push(event.text ?? ''),
    env,
    runner: { cancelled: abort.signal },
  } as unknown as Context;
  const tracked = await trackedFiles(at(live), sha);
  // Of the new commit; what it has alike has the same fingerprint.
  const trackedNew = new Map(
    blobs.map(([path, mark]) => [path, path in next ? mark : (tracked.get(path) ?? mark)] as const),
  );
  await carryBuildCache(context, staging, trackedNew, { sha, tracked, generated });
  expect(identities(live)).toEqual(liveBefore);
  return Object.fromEntries(Object.entries(contents(staging)).filter(([path]) => !(path in before)));
}

/** How the last deploy ended, for the journal. */
function ended(state: 'staged' | 'rolled-back', outcome: 'failed' | 'rolled-back'): void {
  const run = { repository: 'a/b', id: '1', attempt: '1', url: '', actor: 'a' };
  openJournal(join(scratch, 'state')).end(
    subjectOf({ deployId: 'd1', mode: 'deploy', run }, null),
    state,
    outcome,
    'x',
  );
}

test('the build finds what the last one left, as files of its own, with their time', async () => {
  const past = new Date('2026-01-02T03:04:05Z');
  plant(live, CACHE);
  utimesSync(join(live, '.next/cache/.rscinfo'), past, past);
  // A second name is as good as any other writer of the file.
  linkSync(join(live, '.next/cache/.rscinfo'), join(scratch, 'second-name'));
  expect(await carry({ built: {}, next: { 'page.js': '2' } })).toEqual(CACHE);
  expect(statSync(join(staging, '.next/cache/.rscinfo'))).toMatchObject({ mtime: past, nlink: 1 });
  writeFileSync(join(staging, '.next/cache/.rscinfo'), 'changed by the build');
  expect(readFileSync(join(live, '.next/cache/.rscinfo'), 'utf8')).toBe('key');
  expect(lines).toEqual(["The build has a copy of the last build's cache: .next/cache, 0 MiB."]);
});

test('it finds neither data that pages show, nor images, nor what the app put there, nor the rest of the build', async () => {
  const built = { ...CACHE, '.next/BUILD_ID': '1', '.next/cache/fetch-cache/a1': 'old news' };
  const own = { '.next/cache/images/a.webp': 'own', '.next/cache/notes/own.txt': 'own' };
  expect(await carry({ built, own })).toEqual(CACHE);
});

test('each app of a repository has its own', async () => {
  const old = { 'package.json': '{}', 'apps/a/package.json': NEXT, 'apps/b/package.json': '{}' };
  const built = {
    'apps/a/.next/cache/x': 'a',
    'apps/b/.next/cache/x': 'no Next.js',
    '.next/cache/x': 'none',
  };
  expect(await carry({ old, built } as unknown as Parameters<typeof carry>[0])).toEqual({
    'apps/a/.next/cache/x': 'a',
  });
});

test.each<[string, Parameters<typeof carry>[0], () => void, string]>([
  [
    'packages changed: a bundler does not look into those that have their old version',
    { next: { 'package-lock.json': '{}' } },
    () => {},
    'package-lock.json changed',
  ],
  ['a patch of a package changed', { next: { 'patches/a.patch': '' } }, () => {}, 'patches/a.patch changed'],
  [
    'the last build failed, since the cache may be why',
    {},
    () => ended('staged', 'failed'),
    'the last deploy failed before its build was ready',
  ],
  [
    'the disk is nearly full',
    {},
    () => {
      plant(scratch, { 'bin/df.sh': '#!/bin/sh\necho "/dev/x 9000000 8000000 1000000 90% /"\n' });
      execFileSync('mv', [join(scratch, 'bin/df.sh'), join(scratch, 'bin/df')]);
      env.PATH = `${join(scratch, 'bin')}:${env.PATH}`;
    },
    'less than 2 GiB of the disk is free',
  ],
  [
    'it has grown too large',
    { built: {} },
    () => {
      plant(live, CACHE);
      truncateSync(join(live, '.next/cache/turbopack/v16/0001.sst'), 1024 ** 3 + 1);
    },
    'it has more than 1 GiB',
  ],
  [
    'the commit has a link there, through which nothing is written',
    { next: { '.next': '-> ../elsewhere' } },
    () => mkdirSync(join(scratch, 'elsewhere')),
    '.next/cache/.rscinfo could not be copied',
  ],
])('the build starts without it if %s', async (_, versions, arrange, why) => {
  arrange();
  expect(await carry(versions)).toEqual({});
  expect(lines).toHaveLength(1);
  expect(lines[0]).toMatch(/^The build starts without the last build's cache \(\.next\/cache, \d+ MiB\): /);
  expect(lines[0]).toContain(`: ${why}.`);
  if (existsSync(join(scratch, 'elsewhere'))) expect(contents(join(scratch, 'elsewhere'))).toEqual({});
});

test('nothing is said, and nothing copied, where there is no build, with fresh-install, and for what the commit has itself', async () => {
  expect(await carry({}, { freshInstall: true })).toEqual({});
  expect(await carry({}, { steps: { build: { kind: 'none' } } } as unknown as Plan)).toEqual({});
  rmSync(staging, { recursive: true });
  expect(await carry({ next: { '.next/cache/own': 'tracked' } })).toEqual({});
  expect(lines).toEqual([]);
});

test('a version that was rolled back is no reason to build without it: the cache is that of the live version', async () => {
  ended('rolled-back', 'rolled-back');
  expect(await carry()).toEqual(CACHE);
});

test('a cancel ends the copy', async () => {
  abort.abort(new Error('cancelled'));
  await expect(carry()).rejects.toThrow('cancelled');
});
