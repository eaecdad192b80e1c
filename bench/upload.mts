// How long an upload takes beside `tar | ssh tar`, `rsync -az` and `scp -r`: through a real sshd, once on loopback, where both sides
// share this machine, and once over a line as between a runner and a server. Needs tar, ssh, scp and rsync. Build dist/ first.
// Usage: node bench/upload.mts [--rounds 5] [--write]
// `--write` writes what was measured into docs/benchmarks.md.
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { type AddressInfo, createServer, connect as dial, type Socket } from 'node:net';
import { cpus, loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { performance } from 'node:perf_hooks';
import { setTimeout as pause } from 'node:timers/promises';
import { parseArgs } from 'node:util';
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
import { median } from './median.ts';
import { writeTable } from './page.ts';

/** At most so many times of what the peer takes. */
const GOALS = { first: 1, second: 1.2 };
const FILES = 1_000;
const BYTES = 50_000;
/** Of the line: milliseconds one way, and bytes in each of them. */
const LINE = { delay: 10, rate: 100e6 / 8 / 1000 };
const PAGE = path.join(ROOT, 'docs/benchmarks.md');

/** Seconds, and those that the processors of both sides were at work. */
interface Figure {
  time: number;
  cpu: number;
}

/** `all` sends 1,000 files, `few` what changed in 10 of them. */
type Moment = 'all' | 'few';
type Way = 'this action' | '`tar \\| ssh tar`' | '`rsync -az`' | '`scp -r`';
type Figures = Partial<Record<`${Way} ${Moment}`, Figure[]>>;

if (process.argv[2] === 'line') startLine(Number(process.argv[3]));
else await compare();

async function compare(): Promise<void> {
  const { values: given } = parseArgs({
    options: { rounds: { type: 'string', default: '5' }, write: { type: 'boolean', default: false } },
  });
  const home = mkdtempSync(path.join(tmpdir(), 'bench-upload-'));
  const env = { PATH: `${path.dirname(process.execPath)}:/usr/bin:/bin`, HOME: home };
  const ssh = await startSshd({ home, env });
  const [sshd = 0] = childrenOf(process.pid);
  const line = fork(import.meta.filename, ['line', String(ssh.port)]);
  writeFileSync(path.join(home, 'key'), ssh.key, { mode: 0o600 });
  const lines = { 'uploads-near': ssh.port, 'uploads-far': await portOf(line) };
  try {
    for (const [name, port] of Object.entries(lines)) {
      const table = tableOf(await measure({ home, ssh, sshd, port }, Number(given.rounds)));
      console.log(`${name}\n${table}\n`);
      if (given.write) writeTable(PAGE, table, name);
    }
  } finally {
    line.kill();
    await ssh.stop();
    rmSync(home, { recursive: true, force: true });
  }
}

interface Server {
  home: string;
  ssh: SshHost;
  /** The process that all sessions come from. */
  sshd: number;
  port: number;
}

/** Each way in its turn, round by round. */
async function measure(server: Server, rounds: number): Promise<Figures> {
  const { home, ssh, port } = server;
  const figures: Figures = {};
  const book = async (way: Way, moment: Moment, act: () => Promise<Ending> | undefined): Promise<void> => {
    const [cpu, started] = [await cpuTime(server.sshd), performance.now()];
    const end = await act();
    const time = (performance.now() - started) / 1000;
    await end?.();
    figures[`${way} ${moment}`] ??= [];
    figures[`${way} ${moment}`]?.push({ time, cpu: (await cpuTime(server.sshd)) - cpu });
  };
  const place = (name: string): string => path.join(home, name);
  const options = `-q -i ${home}/key -o UserKnownHostsFile=/dev/null -o StrictHostKeyChecking=no -o BatchMode=yes`;
  const remote = `ssh -p ${port} ${options}`;
  const login = `${ssh.username}@127.0.0.1`;
  const [source, live, tarred, synced, copied] = ['source', 'app', 'tarred', 'synced', 'copied'].map(
    place,
  ) as [string, string, string, string, string];
  const rsync = `rsync -az -e '${remote}' ${source}/ ${login}:${synced}/`;
  for (let round = 0; round < rounds; round++) {
    for (let file = 0; file < FILES; file++) write(source, file, 'first');
    for (const each of [tarred, synced]) mkdirSync(each);
    await book('this action', 'all', () => upload(server, source, live));
    await book('`tar \\| ssh tar`', 'all', () =>
      shell(`tar -C ${source} -cf - . | ${remote} ${login} tar -C ${tarred} -xf -`),
    );
    await book('`rsync -az`', 'all', () => shell(rsync));
    // Its older protocol, since the rig's sshd has no sftp. Over the line it waits for each file, for more than a minute in all.
    if (round === 0 || port === ssh.port)
      await book('`scp -r`', 'all', () =>
        shell(`scp -O -r -P ${port} ${options} ${source} ${login}:${copied}`),
      );
    for (let file = 0; file < FILES; file += 100) write(source, file + 1, 'changed');
    await book('this action', 'few', () => upload(server, source, live));
    await book('`rsync -az`', 'few', () => shell(rsync));
    for (const each of [source, live, tarred, synced, copied]) rmSync(each, { recursive: true, force: true });
  }
  return figures;
}

/** What an action does only after the deploy, in the same session. */
type Ending = () => Promise<void>;

/** As the action does it, from the first look at the files on, until the server's repository has them. */
async function upload({ home, ssh, port }: Server, source: string, live: string): Promise<Ending> {
  const log = { say() {}, warn() {}, event() {} };
  const builtFrom = 'a'.repeat(40);
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
  const wished = somePlan({ path: live, source: { kind: 'upload', builtFrom }, ref: null });
  const text = (name: string): string => readFileSync(path.join(ROOT, 'dist', name), 'utf8');
  const program = packProgram({ follower: text('follower.js'), host: text('host.js') });
  const early = openEarly(destination, { plan: wished, shellInit: null, program, say: log.say });
  const bundle = await gather({ path: source, exclude: [], sendsModules: true, builtFrom }, source, log);
  const plan = { ...wished, ref: bundle.commit };
  await sendUpload(await early.shell, { label: 'host-1', log, bundle });
  // What the host program does then.
  const git = gitIn(live, { clock: createClock(), env: process.env, timeLimit: 60_000, locks: new Set() });
  if (mkdirSync(live, { recursive: true }) !== undefined) await createRepository(git, '/nowhere', 'sha1');
  const state = path.join(home, '.local/state/pm2-ssh-deploy/app');
  await takeInUpload(
    { plan, places: { live, workDir: live, beside: live, state }, git } as never,
    bundle.commit,
  );
  const connection = await early.connection;
  return () => connection.close();
}

function shell(command: string): undefined {
  const { status, stderr } = spawnSync('sh', ['-c', command], { encoding: 'utf8' });
  if (status !== 0) throw new Error(`${command}: ${stderr}`);
}

/** Seconds that processors have worked for this process, for sshd, and for all that they started and that has ended. */
async function cpuTime(sshd: number): Promise<number> {
  // A session counts once it has ended.
  while (childrenOf(sshd).length > 0) await pause(5);
  const ticks = [process.pid, sshd].flatMap((pid) => {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    return fields.slice(11, 15).map(Number);
  });
  return ticks.reduce((sum, each) => sum + each, 0) / 100;
}

function childrenOf(pid: number): number[] {
  const list = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim();
  return list === '' ? [] : list.split(' ').map(Number);
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

function tableOf(figures: Figures): string {
  const middle = (way: Way, moment: Moment, pick: keyof Figure): number | null => {
    const all = figures[`${way} ${moment}`];
    return all === undefined ? null : median(all.map((each) => each[pick]));
  };
  const cell = (value: number | null): string => (value === null ? '' : value.toFixed(2));
  const row = (way: Way): string => {
    const [all, few] = [middle(way, 'all', 'time'), middle(way, 'few', 'time')];
    const beside = (time: number | null, peer: number | null): string =>
      cell(time === null || peer === null ? null : time / peer);
    const cells = [
      ...[
        cell(all),
        beside(all, middle('`tar \\| ssh tar`', 'all', 'time')),
        cell(middle(way, 'all', 'cpu')),
      ],
      ...[cell(few), beside(few, middle('`rsync -az`', 'few', 'time')), cell(middle(way, 'few', 'cpu'))],
    ];
    return `| ${way} | ${cells.join(' | ')} |`;
  };
  const rounds = figures['this action all']?.length;
  return [
    `Goals: at most ${GOALS.first.toFixed(2)} of the time of \`tar | ssh tar\`, and ${GOALS.second.toFixed(2)} of that of \`rsync\`. Medians of ${rounds}, on ${cpus().length} cores with a`,
    `load of ${(loadavg()[0] ?? 0).toFixed(1)}.`,
    '',
    '|  | all, s | to tar | processors, s | 10 changed, s | to rsync | processors, s |',
    '| --- | --- | --- | --- | --- | --- | --- |',
    ...(['this action', '`tar \\| ssh tar`', '`rsync -az`', '`scp -r`'] as const).map(row),
  ].join('\n');
}
