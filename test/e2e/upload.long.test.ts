import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { afterAll, beforeAll, expect, test } from 'vitest';
import type { ActionRun } from '../rig/action.ts';
import { type Flaw, UNVISITED } from '../rig/fixture-app.ts';
import { atRest } from '../rig/leftovers.ts';
import { NEWEST } from '../rig/pm2.ts';
import { createSite, type Site } from '../rig/site.ts';

/** One site that is walked through all that may happen to an upload. The workspace is the job's, after its build. */
let site: Site;
let workspace: string;
const built = 'a'.repeat(40);
const ids: string[] = [];
beforeAll(async () => {
  site = await createSite(NEWEST, { app: UNVISITED });
  workspace = mkdtempSync(path.join(tmpdir(), 'upload-'));
});
afterAll(async () => {
  await site?.stop();
  rmSync(workspace, { recursive: true, force: true });
});

/** Lays a version down in the workspace as its build leaves it. */
function build(version: string, flaw?: Flaw): void {
  for (const name of readdirSync(workspace)) rmSync(path.join(workspace, name), { recursive: true });
  const files = site.files({ version, ...(flaw && { flaw }) });
  for (const [name, content] of Object.entries(files)) {
    const file = path.join(workspace, name);
    mkdirSync(path.dirname(file), { recursive: true });
    writeFileSync(file, content);
  }
  execFileSync('node', ['build.js'], { cwd: workspace });
}

/** The inputs of the site name a repository; an upload has none. */
const UPLOAD = { source: 'upload', repository: '', 'build-command': '', canary: 'off' };
const step = (sha = built) => ({ env: { GITHUB_WORKSPACE: workspace, GITHUB_SHA: sha } });
const upload = (inputs: Record<string, string> = {}, sha = built): Promise<ActionRun> =>
  site.deploy({ ...UPLOAD, ...inputs }, step(sha));
const waiting = (): string[] => {
  const uploads = path.join(site.host.directory, '.local/state/pm2-ssh-deploy/uploads');
  return existsSync(uploads) ? readdirSync(uploads) : [];
};

test('the first upload onto an empty path: modes, links and odd names are as in the job', async () => {
  build('1');
  writeFileSync(path.join(workspace, 'run.sh'), '#!/bin/sh\n');
  chmodSync(path.join(workspace, 'run.sh'), 0o755);
  mkdirSync(path.join(workspace, `deep/${'n'.repeat(200)}`), { recursive: true });
  writeFileSync(path.join(workspace, `deep/${'n'.repeat(200)}/größe [id] 日本.txt`), 'odd\n');
  symlinkSync('../run.sh', path.join(workspace, 'deep/link'));
  writeFileSync(path.join(workspace, '.gitattributes'), '*.txt text eol=crlf\n');
  mkdirSync(path.join(workspace, 'node_modules/x'), { recursive: true });
  writeFileSync(path.join(workspace, 'node_modules/x/index.js'), '');

  const run = await upload({ 'upload-exclude': '/version.json' });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  ids.push(String(run.outputs.sha));
  expect(await site.served()).toBe('1');
  expect(statSync(path.join(site.live, 'run.sh')).mode & 0o111).not.toBe(0);
  expect(readlinkSync(path.join(site.live, 'deep/link'))).toBe('../run.sh');
  const odd = path.join(site.live, `deep/${'n'.repeat(200)}/größe [id] 日本.txt`);
  expect(readFileSync(odd, 'utf8')).toBe('odd\n');
  expect(existsSync(path.join(site.live, 'version.json'))).toBe(false);
  // The site's install-command is none.
  expect(existsSync(path.join(site.live, 'node_modules/x/index.js'))).toBe(true);
  expect(run.summary).toContain(`Upload built from ${built.slice(0, 7)}`);
  await atRest(site.host.directory);
  expect(waiting()).toEqual([]);
});

test('the same files are unchanged, and nothing is sent; one session is all that it takes', async () => {
  const sessions = (): number => site.host.ssh.log().split('Starting session').length;
  const before = sessions();
  const run = await upload({ 'upload-exclude': '/version.json' });
  expect(sessions() - before).toBe(1);
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged', sha: ids[0] } });
  expect(run.stdout).toMatch(/has the upload: 0 of \d+ objects sent/);
});

test('another build of the same commit is a deploy, and only what changed is sent; own files stay', async () => {
  writeFileSync(path.join(site.live, '.env'), 'OWN=1\n');
  mkdirSync(path.join(site.live, 'uploads'));
  writeFileSync(path.join(site.live, 'uploads/a.txt'), 'mine');
  build('2');
  const run = await upload();
  expect(run, run.stdout).toMatchObject({
    code: 0,
    outputs: { outcome: 'deployed', 'previous-sha': ids[0] },
  });
  ids.push(String(run.outputs.sha));
  expect(await site.served()).toBe('2');
  expect(readFileSync(path.join(site.live, '.env'), 'utf8')).toBe('OWN=1\n');
  expect(readFileSync(path.join(site.live, 'uploads/a.txt'), 'utf8')).toBe('mine');
});

test('a broken upload goes back, and mode: rollback goes to the one before', async () => {
  build('3', 'throws at boot');
  const broken = await upload();
  expect(broken, broken.stdout).toMatchObject({ code: 1, outputs: { outcome: 'rolled-back', sha: ids[1] } });
  expect(await site.served()).toBe('2');
  const back = await site.deploy({ ...UPLOAD, mode: 'rollback' });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: ids[0] } });
  expect(await site.served()).toBe('1');
});

test('from uploads to git, and back again', async () => {
  const ref = site.commit({ version: '4' });
  const git = await site.deploy({ ref, canary: 'off' });
  expect(git, git.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: ref } });
  expect(await site.served()).toBe('4');
  build('5');
  const run = await upload({}, ref);
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', 'previous-sha': ref } });
  expect(await site.served()).toBe('5');
});

test('a job that is killed while it sends: nothing was changed, nothing is left, and post says so', async () => {
  build('6');
  writeFileSync(path.join(workspace, 'large.bin'), randomBytes(60_000_000));
  const before = site.host.checksum(site.live);
  const started = site.start(UPLOAD, step());
  await started.says(/Sending/);
  started.process.kill('SIGKILL');
  const { exported } = await started.done;
  const post = await site.post(exported.state, UPLOAD, step().env);
  expect(post, post.stdout).toMatchObject({ code: 0 });
  expect(post.stdout).toContain('The deploy never began');
  while (waiting().length > 0) await pause(20);
  expect(site.host.checksum(site.live)).toBe(before);
  expect(await site.served()).toBe('5');
});

test('a check reads the files of the job, and sends none', async () => {
  rmSync(path.join(workspace, 'large.bin'));
  const check = await upload({ mode: 'check' });
  expect(check, check.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  expect(check.stdout).not.toContain('Sending');
  symlinkSync('/etc', path.join(workspace, 'out'));
  const refused = await upload({ mode: 'check' });
  expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(refused.stdout).toContain('The link out leads out of upload-path');
});
