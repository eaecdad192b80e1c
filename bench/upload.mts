// How long an upload takes beside `tar | ssh tar` and rsync: through a real sshd, once on loopback, where both sides share this
// machine, and once over a line as between a runner and a server. Needs tar, ssh and rsync. Build dist/ first.
// Usage: node bench/upload.mts [rounds]
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { checkOut } from '../src/host/build/staging-clone.ts';
import { createRepository } from '../src/host/git/fetch.ts';
import { gitIn } from '../src/host/git/git.ts';
import { createClock } from '../src/host/system/clock.ts';
import { takeInUpload } from '../src/host/upload/take-in.ts';
import { readPrivateKey } from '../src/runner/keys/keys.ts';
import { openEarly } from '../src/runner/session/early-session.ts';
import { packProgram } from '../src/runner/session/packed-program.ts';
import { sendUpload } from '../src/runner/session/sending.ts';
import { gather } from '../src/runner/upload/gather.ts';
import { ROOT } from '../test/rig/places.ts';
import { somePlan } from '../test/rig/plan.ts';
import { type SshHost, startSshd } from '../test/rig/sshd.ts';

/** At most so many times of what the peer takes. */
const GOALS = { first: 1, second: 1.2 };
const FILES = 1_000;
const BYTES = 50_000;
/** Of the line: milliseconds one way, and bytes in each of them. */
const LINE = { delay: 10, rate: 100e6 / 8 / 1000 };

interface Row {
  /** Milliseconds until the server has the files, and until they lie beside the app. */
  ours: number;
  laidOut: number;
  peer: number;
}

if (process.argv[2] === 'line') startLine(Number(process.argv[3]));
else await compare(Math.max(1, Number(process.argv[2] ?? 3)));

async function compare(rounds: number): Promise<void> {
  const home = mkdtempSync(path.join(tmpdir(), 'bench-upload-'));
  const env = { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`, HOME: home };
  const ssh = await startSshd({ home, env });
  const line = fork(import.meta.filename, ['line', String(ssh.port)]);
  const port = await portOf(line);
  try {
    writeFileSync(path.join(home, 'key'), ssh.key, { mode: 0o600 });
    const [first, second] = await measure(home, ssh, ssh.port, rounds);
    print('On loopback, the first time: beside tar | ssh tar', first, GOALS.first);
    print('On loopback, with 1% changed: beside rsync', second, GOALS.second);
    const [firstOnLine, secondOnLine] = await measure(home, ssh, port, rounds);
    print('Over 100 Mbit/s with 20 ms, the first time: beside tar | ssh tar', firstOnLine, GOALS.first);
    print('Over 100 Mbit/s with 20 ms, with 1% changed: beside rsync', secondOnLine, GOALS.second);
  } finally {
    line.kill();
    await ssh.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

async function measure(home: string, ssh: SshHost, port: number, rounds: number): Promise<[Row[], Row[]]> {
  const first: Row[] = [];
  const second: Row[] = [];
  const known = '-o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no';
  const remote = `ssh -q -p ${port} -i ${home}/key ${known} -o BatchMode=yes`;
  const login = `${ssh.username}@127.0.0.1`;
  for (let round = 0; round < rounds; round++) {
    const [source, live, peer] = ['source', 'app', 'peer'].map((name) => path.join(home, name)) as [
      string,
      string,
      string,
    ];
    for (let file = 0; file < FILES; file++) write(source, file, 'first');
    mkdirSync(peer);
    const tar = `tar -C ${source} -cf - . | ${remote} ${login} tar -C ${peer} -xf -`;
    first.push({ ...(await upload(home, ssh, port, source, live)), peer: shell(tar) });
    for (let file = 0; file < FILES; file += 100) write(source, file + 1, 'changed');
    const rsync = `rsync -a -e '${remote}' ${source}/ ${login}:${peer}/`;
    second.push({ ...(await upload(home, ssh, port, source, live)), peer: shell(rsync) });
    for (const each of [source, live, peer]) rmSync(each, { recursive: true });
  }
  return [first, second];
}

/** From the first look at the files on. */
async function upload(
  home: string,
  ssh: SshHost,
  port: number,
  source: string,
  live: string,
): Promise<Pick<Row, 'ours' | 'laidOut'>> {
  const started = performance.now();
  const log = { say() {}, warn() {}, event() {} };
  const builtFrom = 'a'.repeat(40);
  const wishes = { path: source, exclude: [], sendsModules: true, builtFrom };
  const destination = {
    label: 'host-1',
    host: '127.0.0.1',
    port,
    shownHost: null,
    username: ssh.username,
    key: readPrivateKey(ssh.key, null),
    password: null,
    agent: null,
    hostKey: { kind: 'fingerprints', list: [ssh.fingerprint] } as const,
    timeout: 20_000,
  };
  const early = openEarly(destination, null, log.say);
  const packing = packProgram({
    follower: '',
    host: readFileSync(path.join(ROOT, 'dist/host.js'), 'utf8'),
  });
  const bundle = await gather(wishes, source, log);
  const plan = somePlan({ path: live, source: { kind: 'upload', builtFrom }, ref: bundle.commit });
  const shell = await early.shell;
  await sendUpload(shell, { label: 'host-1', program: await packing, plan, log, bundle });
  await (await early.connection).close();
  // What the host program does then.
  const at = (directory: string) =>
    gitIn(directory, { clock: createClock(), env: process.env, timeLimit: 60_000, locks: new Set() });
  mkdirSync(live, { recursive: true });
  const git = at(live);
  await createRepository(git, '/nowhere', 'sha1');
  const state = path.join(home, '.local/state/pm2-ssh-deploy/app');
  const places = { live, workDir: live, beside: live, state };
  await takeInUpload({ plan, places, git } as never, bundle.commit);
  const ours = performance.now() - started;
  const staging = path.join(home, 'staging');
  await checkOut(git, at, staging, bundle.commit, { gitToken: null, say() {} });
  const laidOut = performance.now() - started;
  rmSync(staging, { recursive: true });
  return { ours, laidOut };
}

function shell(command: string): number {
  const started = performance.now();
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
  return performance.now() - started;
}

/** As a build leaves them: most is text, and each fifth cannot be compressed. */
function write(directory: string, file: number, version: string): void {
  const name = path.join(directory, `static-${file % 20}`, `chunk-${file}.js`);
  const line = (at: number): string =>
    `export const part${at * 7919}_${file}=(a,b)=>a.${version}(${(at * 2654435761 + file) % 1e9},b)||null;\n`;
  const text = (): string => Array.from({ length: 1_200 }, (_, at) => line(at)).join('');
  mkdirSync(path.dirname(name), { recursive: true });
  writeFileSync(name, file % 5 === 0 ? randomBytes(BYTES) : text().slice(0, BYTES));
}

/** A line of its own process: what it does must not slow down this one. */
function startLine(to: number): void {
  const server = createServer({ noDelay: true }, (client) => {
    const host = dial({ port: to, host: '127.0.0.1', noDelay: true });
    void carry(client, host);
    void carry(host, client);
  });
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port));
}

async function carry(from: Socket, to: Socket): Promise<void> {
  let free = performance.now();
  let written = Promise.resolve();
  const at = (due: number, act: () => void): void => {
    written = written.then(() => pause(Math.max(0, due - performance.now()))).then(act);
  };
  from.on('error', () => to.destroy());
  for await (const chunk of from as AsyncIterable<Buffer>) {
    free = Math.max(free, performance.now()) + chunk.length / LINE.rate;
    at(free + LINE.delay, () => to.write(chunk));
    // No more than this is on its way.
    const ahead = free - performance.now() - LINE.delay;
    if (ahead > 0) await pause(ahead);
  }
  at(free + LINE.delay, () => to.end());
}

async function portOf(line: ChildProcess): Promise<number> {
  const [port] = await once(line, 'message');
  return Number(port);
}

function print(title: string, rows: readonly Row[], goal: number): void {
  const middle = (pick: (row: Row) => number): number =>
    rows.map(pick).sort((a, b) => a - b)[Math.floor(rows.length / 2)] ?? 0;
  const [ours, laidOut, peer] = [
    middle((row) => row.ours),
    middle((row) => row.laidOut),
    middle((row) => row.peer),
  ];
  const ratio = ours / peer;
  console.log(title);
  console.log(
    `  sent ${ours.toFixed(0)} ms, laid out beside the app ${laidOut.toFixed(0)} ms; the other ${peer.toFixed(0)} ms`,
  );
  console.log(
    `  ratio ${ratio.toFixed(2)}, laid out ${(laidOut / peer).toFixed(2)}; goal ${goal}: ${ratio <= goal ? 'met' : 'NOT met'}`,
  );
}
