import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  closeSync,
  constants,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readdirSync,
  realpathSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { PassThrough, Writable } from 'node:stream';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, beforeAll, beforeEach, expect, test } from 'vitest';
import { createRepository } from '../../../src/host/git/fetch.ts';
import { gitIn } from '../../../src/host/git/git.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import { takeInUpload } from '../../../src/host/upload/take-in.ts';
import { connect } from '../../../src/runner/connection/connect.ts';
import type { Connection } from '../../../src/runner/connection/ssh.ts';
import { readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { deployOnHost } from '../../../src/runner/session/deploying.ts';
import { openShell } from '../../../src/runner/session/open-shell.ts';
import { packProgram } from '../../../src/runner/session/packed-program.ts';
import { announceUpload, sendUpload } from '../../../src/runner/session/sending.ts';
import { SessionError } from '../../../src/runner/session/session-error.ts';
import { type Bundle, bundleOf } from '../../../src/runner/upload/bundle.ts';
import { excludeOf } from '../../../src/runner/upload/exclude.ts';
import { readTree } from '../../../src/runner/upload/read-tree.ts';
import { receivingProgram } from '../../rig/host-program.ts';
import { somePlan } from '../../rig/plan.ts';
import { type Relay, startRelay } from '../../rig/relay.ts';
import { type SshHost, startSshd } from '../../rig/sshd.ts';

/** A host that runs the real receiving part of the host program on the oldest Node, behind a network that can fail. */
const NODE_16 = resolve(import.meta.dirname, '../../host-tools/node_modules/node-16/bin/node');
const home = realpathSync(mkdtempSync(join(tmpdir(), 'send-')));
const uploads = join(home, '.local/state/pm2-ssh-deploy/uploads');
const live = join(home, 'app');
let sshd: SshHost;
let relay: Relay;
let connection: Connection;
let program: string;
let said: string[];

beforeAll(async () => {
  const node = existsSync(NODE_16) ? NODE_16 : process.execPath;
  sshd = await startSshd({ home, env: { PATH: `${dirname(node)}:/usr/bin:/bin`, HOME: home } });
  relay = await startRelay(sshd.port);
  program = await packProgram({ follower: '', host: await receivingProgram() });
});
afterAll(async () => {
  await connection?.close();
  await relay.stop();
  await sshd.stop();
  // Whoever still reads one comes to its end.
  for (const pipe of pipes) closeSync(openSync(pipe, constants.O_RDWR));
  rmSync(home, { recursive: true, force: true });
});
beforeEach(async () => {
  said = [];
  await connection?.close();
  for (const left of [live, uploads]) rmSync(left, { recursive: true, force: true });
  connection = await connect({
    label: 'host-1',
    host: '127.0.0.1',
    port: relay.port,
    shownHost: null,
    username: sshd.username,
    key: readPrivateKey(sshd.key, null),
    password: null,
    agent: null,
    hostKey: { kind: 'fingerprints', list: [sshd.fingerprint] },
    timeout: 20_000,
  });
});

const pipes: string[] = [];
let count = 0;
async function bundle(files: Record<string, string | Buffer>): Promise<Bundle> {
  const top = join(home, `source-${count++}`);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(dirname(join(top, name)), { recursive: true });
    writeFileSync(join(top, name), content);
  }
  const { entries } = await readTree(top, { exclude: excludeOf([]), sendsModules: true });
  return bundleOf(entries, 'a'.repeat(40));
}

const plan = (given: Bundle) =>
  somePlan({ path: live, source: { kind: 'upload', builtFrom: 'a'.repeat(40) }, ref: given.commit });

async function send(given: Bundle, ours = plan(given)) {
  const shell = await openShell(connection, 10_000, null);
  try {
    announceUpload(shell, program, ours);
    await sendUpload(shell, { label: 'host-1', log, bundle: given });
  } finally {
    shell.finish();
  }
  return ours;
}

const log = { say: (text: string) => void said.push(text), warn() {}, event() {} };

const at = (directory: string) =>
  gitIn(directory, { clock: createClock(), env: process.env, timeLimit: 60_000, locks: new Set() });

/** What the deploy does with it, and which files the commit has then. */
async function taken(given: Bundle, ours = plan(given)): Promise<string[]> {
  mkdirSync(live, { recursive: true });
  const git = at(live);
  await createRepository(git, '/nowhere', 'sha1');
  const state = join(home, '.local/state/pm2-ssh-deploy/app');
  await takeInUpload(
    { plan: ours, places: { top: live, live, workDir: live, beside: live, state }, git } as never,
    given.commit,
  );
  return execFileSync('git', ['-C', live, 'ls-tree', '-r', '--name-only', given.commit], { encoding: 'utf8' })
    .trim()
    .split('\n');
}

const waiting = (): string[] => (existsSync(uploads) ? readdirSync(uploads) : []);

test('the first upload sends all; the next one only what the host lacks, and the same one nothing', async () => {
  const files = { 'a.js': 'a', 'b/c.js': Buffer.alloc(3_000_000, 7) };
  const first = await bundle(files);
  expect(await taken(first, await send(first))).toEqual(['a.js', 'b/c.js']);
  expect(said.at(-1)).toMatch(/5 of 5 objects sent/);
  expect(waiting()).toEqual([]);

  const second = await bundle({ ...files, 'a.js': 'other' });
  expect(await taken(second, await send(second))).toEqual(['a.js', 'b/c.js']);
  // The file, the top directory and the commit.
  expect(said.at(-1)).toMatch(/3 of 5 objects sent/);

  await send(second);
  expect(said.at(-1)).toMatch(/0 of 5 objects sent/);
  expect(waiting()).toEqual([]);
});

test('what arrives is for its user alone, and nobody else can have put it there', async () => {
  await send(await bundle({ 'a.js': 'a' }));
  expect(waiting()).toHaveLength(2);
  for (const name of waiting()) expect(statSync(join(uploads, name)).mode & 0o777).toBe(0o600);
  chmodSync(uploads, 0o777);
  await expect(send(await bundle({ 'a.js': 'b' }))).rejects.toThrow(/is open to other users/);
  chmodSync(uploads, 0o700);
});

test('a connection that is lost while files are sent leaves nothing behind', async () => {
  const large = await bundle({ 'large.bin': Buffer.alloc(1_000_000), 'last.bin': 'x' });
  const sent = send({ ...large, objects: slowly(large) });
  const failure = expect(sent).rejects.toThrow(
    /was lost .* while the files were sent. Nothing was changed there/,
  );
  await gone(() => waiting().length === 1);
  relay.cut();
  await failure;
  await gone(() => waiting().length === 0);
});

test('a job that is cancelled meanwhile leaves nothing behind either', async () => {
  const large = await bundle({ 'large.bin': Buffer.alloc(1_000_000), 'last.bin': 'x' });
  const stop = new AbortController();
  const sent = deployOnHost({
    connection,
    program,
    plan: plan(large),
    bundle: { ...large, objects: slowly(large) },
    shellInit: null,
    log,
    mayGo: async () => {},
    cancelled: stop.signal,
  });
  const failure = expect(sent).rejects.toThrow(/The job was cancelled while the files were sent/);
  await gone(() => waiting().length === 1);
  stop.abort('the job was cancelled');
  await failure;
  await connection.close();
  await gone(() => waiting().length === 0);
});

test('a receiver that was killed leaves a part, which the next one removes', async () => {
  mkdirSync(uploads, { recursive: true, mode: 0o700 });
  chmodSync(dirname(uploads), 0o700);
  writeFileSync(join(uploads, 'gone-deploy.4194303.part'), 'x');
  writeFileSync(join(uploads, `alive-deploy.${process.pid}.part`), 'x');
  await send(await bundle({ 'a.js': 'a' }));
  expect(waiting().filter((name) => name.endsWith('.part'))).toEqual([`alive-deploy.${process.pid}.part`]);
});

test.each<[string, () => void, RegExp]>([
  [
    'files that are no checkout',
    () => writeFileSync(join(live, 'x'), ''),
    /has files in it but is not a git checkout/,
  ],
  [
    'a repository of SHA-256',
    () => execFileSync('git', ['init', '--quiet', '--object-format=sha256', live]),
    /uses SHA-256/,
  ],
])('a host with %s at path refuses before anything is sent', async (_what, make, message) => {
  mkdirSync(live);
  make();
  const failure = await send(await bundle({ 'a.js': 'a' })).catch((error: unknown) => error);
  expect(failure).toBeInstanceOf(SessionError);
  expect((failure as SessionError).message).toMatch(message);
  expect((failure as SessionError).remedy).not.toBeNull();
  expect((failure as SessionError).goesOn).toBe(false);
  expect(waiting()).toEqual([]);
});

/** The objects, the last of which has to be read from a pipe that nobody writes to. */
function slowly({ objects }: Bundle): Bundle['objects'] {
  const pipe = join(home, `pipe-${count++}`);
  pipes.push(pipe);
  execFileSync('mkfifo', [pipe]);
  return objects.map((object) =>
    'from' in object && object.from.path === 'last.bin'
      ? { ...object, content: null, from: { ...object.from, file: pipe } }
      : object,
  );
}

async function gone(isSo: () => boolean): Promise<void> {
  while (!isSo()) await new Promise((done) => setTimeout(done, 10));
}

test('what was sent is let go of, however much there is', async () => {
  const stdout = new PassThrough();
  const stdin = new Writable({
    highWaterMark: 1,
    write(chunk: Buffer, _encoding, done) {
      if (chunk.length < 100) stdout.write(`pm2-ssh-deploy-ready ${chunk}`);
      setImmediate(done);
    },
  });
  const channel = { stdin, stdout, stderr: new PassThrough(), ended: new Promise<never>(() => {}) };
  const shell = await openShell({ label: 'host-1', exec: async () => channel } as never, 5_000, null);
  collectGarbage();
  const before = process.memoryUsage().arrayBuffers;
  let most = 0;
  await shell.pour(
    (async function* () {
      for (let count = 1; count <= 100; count += 1) {
        yield Buffer.alloc(1_000_000);
        if (count % 10 !== 0) continue;
        collectGarbage();
        most = Math.max(most, process.memoryUsage().arrayBuffers - before);
      }
    })(),
  );
  // All 100 of them, if they were kept.
  expect(most / 1e6).toBeLessThan(30);
});

/** Whatever is left then is still held by somebody. */
function collectGarbage(): void {
  setFlagsFromString('--expose-gc');
  runInNewContext('gc')();
}
