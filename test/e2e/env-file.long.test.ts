import { chmodSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { UNVISITED } from '../rig/fixture-app.ts';
import { atRest, ofProcess, processesOf } from '../rig/leftovers.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** Quotes, dollars, hashes, tabs, CRLF, UTF-8, a value over several lines, no line end at the end. */
const AWKWARD = [
  'PLAIN=hunter2-plain-value',
  '  INDENTED = "hunter2 \\"quoted\\" $HOME #no comment"  # comment',
  "SINGLE='hunter2-single$(id)`id`'",
  'UTF8=hunter2-größe-日本語\r',
  'MULTI="hunter2-line-one',
  'hunter2-line-two"',
  '\tTAB=hunter2\tvalue',
  '',
  'LAST=hunter2-last-one',
].join('\n');

let site: Site;
let env: string;
let version = 1;
let live: string;
beforeAll(async () => {
  site = await createSite(NEWEST, { app: UNVISITED });
  env = path.join(site.live, '.env');
});
afterAll(() => site?.stop());

/** Its build keeps what it saw of the file in the version itself, which no secret should be, and prints it. */
const build = { 'build-command': 'node build.js; cp .env dist/seen.txt; cat .env' };
const next = (flaw?: 'crashes after 3 s'): string =>
  site.commit({ version: String(version++), ...(flaw && { flaw }) });
const seen = (): string => readFileSync(path.join(site.live, 'dist/seen.txt'), 'utf8');

test('the first deploy brings it byte for byte, for its user alone to read, and shows it to the build', async () => {
  live = next();
  const run = await site.deploy({ ref: live, ...build, 'env-file': AWKWARD });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(readFileSync(env, 'utf8')).toBe(AWKWARD);
  expect(seen()).toBe(AWKWARD);
  expect(statSync(env).mode & 0o777).toBe(0o600);
  const log = run.stdout.replace(/^::add-mask::.*$/gm, '');
  expect(log).toContain('PLAIN=***');
  expect(`${log}${run.stderr}${run.summary}${JSON.stringify(run.outputs)}`).not.toContain('hunter2');
});

test('it is in no file of a run, and in no argument list or environment of what runs', async () => {
  await atRest(site.host.directory);
  const root = path.join(site.host.directory, '.local/state');
  const holders = readdirSync(root, { recursive: true, encoding: 'utf8' })
    .map((name) => path.join(root, name))
    .filter((file) => statSync(file).isFile() && readFileSync(file, 'utf8').includes('hunter2'));
  expect(holders).toEqual([]);
  for (const pid of processesOf(site.host.directory)) {
    for (const what of ['cmdline', 'environ'] as const) expect(ofProcess(pid, what)).not.toContain('hunter2');
  }
});

test('the same again is unchanged, with it and without; a change of it alone is a deploy', async () => {
  const ref = live;
  for (const given of [AWKWARD, '']) {
    const same = await site.deploy({ ref, ...build, 'env-file': given });
    expect(same, same.stdout).toMatchObject({ outputs: { outcome: 'unchanged' } });
    expect(readFileSync(env, 'utf8')).toBe(AWKWARD);
  }
  const changed = await site.deploy({ ref, ...build, 'env-file': 'PLAIN=hunter2-changed\n' });
  expect(changed, changed.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  expect(readFileSync(env, 'utf8')).toBe('PLAIN=hunter2-changed\n');
});

test('a version that is rolled back takes its file with it', async () => {
  const run = await site.deploy({
    ref: next('crashes after 3 s'),
    'env-file': 'PLAIN=hunter2-broken\n',
    canary: 'off',
    'stable-for': '5s',
  });
  expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'rolled-back' } });
  expect(readFileSync(env, 'utf8')).toBe('PLAIN=hunter2-changed\n');
});

test('without it the file of the host stays, also where the user has changed it since', async () => {
  writeFileSync(env, 'PLAIN=hunter2-by-hand\n');
  const run = await site.deploy({ ref: next(), ...build });
  expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  expect(readFileSync(env, 'utf8')).toBe('PLAIN=hunter2-by-hand\n');
  expect(seen()).toBe('PLAIN=hunter2-by-hand\n');
});

test('what it replaces is kept, whatever its mode was, and the log says where', async () => {
  chmodSync(env, 0o644);
  const run = await site.deploy({ ref: next(), 'env-file': 'PLAIN=hunter2-new\n' });
  expect(run, run.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  const [, copy = ''] = /Its old content is kept in (\S+)\./.exec(run.stdout) ?? [];
  expect(readFileSync(copy, 'utf8')).toBe('PLAIN=hunter2-by-hand\n');
  expect(statSync(copy).mode & 0o777).toBe(0o600);
  expect(statSync(env).mode & 0o777).toBe(0o600);
});

test('its path may lie deeper; one that the commit has, or whose directory it lacks, is refused', async () => {
  const ref = next();
  const deep = await site.deploy({
    ref,
    'env-file': 'A=hunter2-deep\n',
    'env-file-path': 'src/.env.production',
  });
  expect(deep, deep.stdout).toMatchObject({ outputs: { outcome: 'deployed' } });
  expect(readFileSync(path.join(site.live, 'src/.env.production'), 'utf8')).toBe('A=hunter2-deep\n');
  rmSync(path.join(site.live, 'src/.env.production'));
  for (const [given, why] of [
    ['package.json', 'is a file of the commit'],
    ['nowhere/.env', 'is in a directory that the commit does not have'],
  ] as const) {
    const refused = await site.deploy({ ref: next(), 'env-file': 'A=hunter2-x\n', 'env-file-path': given });
    expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
    expect(refused.stdout).toContain(why);
  }
});
