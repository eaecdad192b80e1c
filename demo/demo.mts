// Five real deploys on this machine: an SSH server, a git repository, PM2 and the action as GitHub's runner runs it.
// Everything is private to this process and gone when it ends.
import type { ChildProcess } from 'node:child_process';
import path from 'node:path';
import { type ActionRun, startAction } from '../test/rig/action.ts';
import { type EmbeddedSsh, startEmbeddedSsh } from '../test/rig/embedded-ssh.ts';
import { type FixtureOptions, fixtureApp, INSTANCES } from '../test/rig/fixture-app.ts';
import { freePort } from '../test/rig/free-port.ts';
import { createHome, type Home } from '../test/rig/home.ts';
import { type LoadResult, startLoadOnceServed } from '../test/rig/load.ts';
import { ROOT } from '../test/rig/places.ts';
import { createRepository, type Repository } from '../test/rig/repository.ts';
import { readableLog } from '../test/rig/runner-log.ts';

interface Stage {
  home: Home;
  ssh: EmbeddedSsh;
  repository: Repository;
  /** The app's directory on the "server". */
  live: string;
  port: number;
  /** Of the app in fork mode. */
  forkPort: number;
}

interface Act {
  title: string;
  version: Omit<FixtureOptions, 'port'>;
  /** Another app than the first one: one instance in fork mode, without a line of shutdown code. */
  fork?: true;
  promises(run: ActionRun, load: LoadResult): Record<string, boolean>;
}

const ACTS: Act[] = [
  {
    title: '1. First deploy: nothing runs on the server yet',
    version: { version: 'v1' },
    promises: (run, load) => ({
      'the job is green': run.code === 0,
      'the outcome is deployed': run.outputs.outcome === 'deployed',
      'from its first answer on, the app lost no request': load.failed === 0,
      'v1 serves': (load.versions.v1 ?? 0) > 0,
    }),
  },
  {
    title: '2. A new version, while visitors use the app',
    version: { version: 'v2' },
    promises: (run, load) => ({
      'the job is green': run.code === 0,
      'the outcome is deployed': run.outputs.outcome === 'deployed',
      'no request was lost': load.failed === 0,
      'v1 served until v2 did': (load.versions.v1 ?? 0) > 0 && (load.versions.v2 ?? 0) > 0,
    }),
  },
  {
    title: '3. A version that throws at boot, while visitors use the app',
    version: { version: 'v3', flaw: 'throws at boot' },
    promises: (run, load) => ({
      'the job is red': run.code === 1,
      'the outcome is failed: no live instance was touched': run.outputs.outcome === 'failed',
      'no request was lost': load.failed === 0,
      'v2 alone served, all the time': Object.keys(load.versions).join() === 'v2',
      'the summary says why': run.summary.includes('version v3 cannot boot'),
    }),
  },
  {
    title: '4. Another app: one instance in fork mode, without a line of shutdown code',
    version: { version: 'f1' },
    fork: true,
    promises: (run, load) => ({
      'the outcome is deployed': run.outputs.outcome === 'deployed',
      'from its first answer on, the app lost no request': load.failed === 0,
    }),
  },
  {
    title: '5. Its new version, while visitors use the app',
    version: { version: 'f2' },
    fork: true,
    promises: (run, load) => ({
      'the outcome is deployed': run.outputs.outcome === 'deployed',
      'no request was lost': load.failed === 0,
      'f1 served until f2 did': (load.versions.f1 ?? 0) > 0 && (load.versions.f2 ?? 0) > 0,
    }),
  },
];

const FORK = {
  name: 'forked',
  shutdown: 'none',
  settings: { exec_mode: 'fork', instances: 1, wait_ready: false },
} as const;

const cleanUps: (() => void | Promise<void>)[] = [];
let running: ChildProcess | undefined;
let leaving: Promise<void> | undefined;

/** Undoes, in reverse, all that was begun; once, however often it is asked for. */
function cleanUp(): Promise<void> {
  leaving ??= (async () => {
    running?.kill('SIGKILL');
    for (const step of cleanUps.splice(0).reverse()) await step();
  })();
  return leaving;
}

async function leave(code: number): Promise<never> {
  await cleanUp();
  process.exit(code);
}

for (const [signal, code] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
  ['SIGHUP', 129],
] as const) {
  process.on(signal, () => {
    console.log(`\n${signal}: cleaning up ...`);
    void leave(code);
  });
}

try {
  const stage = await setTheStage();
  let kept = true;
  for (const act of ACTS) kept = (await perform(stage, act)) && kept;
  console.log(kept ? '\nAll promises were kept.' : '\nNOT all promises were kept; see above.');
  await leave(kept ? 0 : 1);
} catch (error) {
  if (leaving) await new Promise(() => {});
  console.error(error);
  await leave(1);
}

async function setTheStage(): Promise<Stage> {
  const home = createHome(process.execPath, path.join(ROOT, 'node_modules/pm2/bin/pm2'));
  cleanUps.push(() => home.remove());
  const repository = createRepository();
  cleanUps.push(() => repository.remove());
  const ssh = await startEmbeddedSsh(home.directory, home.env);
  cleanUps.push(() => ssh.stop());
  return {
    home,
    ssh,
    repository,
    live: path.join(home.directory, 'shop'),
    port: await freePort(),
    forkPort: await freePort(),
  };
}

/** Commits a version, deploys it under load, prints what happened, and returns whether all promises were kept. */
async function perform(stage: Stage, act: Act): Promise<boolean> {
  console.log(`\n${act.title}\n${'-'.repeat(act.title.length)}`);
  const name = act.fork ? FORK.name : 'shop';
  const port = act.fork ? stage.forkPort : stage.port;
  const sha = stage.repository.commit(fixtureApp({ ...(act.fork && FORK), ...act.version, port }));
  const visitors = startLoadOnceServed({ url: `http://127.0.0.1:${port}/version`, fresh: 5 });
  cleanUps.push(async () => {
    await visitors.stop();
  });
  const run = await deploy(stage, name, sha);
  const load = await visitors.stop();
  show('the job summary', run.summary);
  console.log(`\n  Requests: ${load.sent} sent, ${load.failed} failed ${detail(load.failures)}`);
  console.log(`  Answers by version: ${detail(load.versions)}`);

  const instances = await stage.home.instances(name);
  const expected = act.fork ? 1 : INSTANCES;
  const promises = {
    ...act.promises(run, load),
    [`${expected} ${expected === 1 ? 'instance is' : 'instances are'} online`]:
      instances.length === expected && instances.every((one) => one.status === 'online'),
  };
  for (const [promise, isKept] of Object.entries(promises))
    console.log(`  ${isKept ? 'kept:' : 'NOT KEPT:'} ${promise}`);
  return Object.values(promises).every(Boolean);
}

async function deploy(stage: Stage, name: string, sha: string): Promise<ActionRun> {
  const action = startAction({
    inputs: {
      ...stage.ssh.access,
      path: path.join(path.dirname(stage.live), name),
      repository: stage.repository.url,
      'stable-for': '3s',
      'health-url': '/version',
    },
    env: { GITHUB_SHA: sha },
  });
  running = action.process;
  const run = await action.done;
  running = undefined;
  // Whoever ended the demo wants to read no more.
  if (leaving) await new Promise(() => {});
  show("the action's log", readableLog(run.stdout + run.stderr));
  return run;
}

function show(title: string, text: string): void {
  console.log(`\n  ${title}:`);
  for (const line of text.trimEnd().split('\n')) console.log(`  | ${line}`);
}

function detail(counts: Record<string, number>): string {
  const entries = Object.entries(counts).map(([name, count]) => `${name} ${count}`);
  return entries.length > 0 ? `(${entries.join(', ')})` : '';
}
