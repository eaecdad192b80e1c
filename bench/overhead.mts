// What a deploy costs beyond its own work: real deploys on loopback, in milliseconds and in round trips.
// Usage: node bench/overhead.mts [deploys, at least 5]
import { execFileSync, spawnSync } from 'node:child_process';
import path from 'node:path';
import type { Event, HostResult } from '../src/protocol.ts';
import { runAction } from '../test/rig/action.ts';
import { startEmbeddedSsh, type Traffic } from '../test/rig/embedded-ssh.ts';
import { fixtureApp } from '../test/rig/fixture-app.ts';
import { freePort } from '../test/rig/free-port.ts';
import { createHome } from '../test/rig/home.ts';
import { ROOT } from '../test/rig/places.ts';
import { createRepository } from '../test/rig/repository.ts';
import { median } from './median.ts';

/** At most so many milliseconds: all that is not the deploy's own work, and of it the bundle's start-up. */
const GOALS = { overhead: 300, startUp: 120 };
const STABLE_FOR = 1_000;
const runs = Math.max(5, Number(process.argv[2] ?? 5));

interface Measured {
  overhead: number;
  wall: number;
  result: HostResult;
  traffic: Traffic;
}

const { empty, bundle } = measureStartUp(runs * 2);
const { full, bare } = await measureDeploys(runs);
print('Start-up of the bundle', bundle, GOALS.startUp);
print('  of which an empty Node', empty);
print(
  'Overhead of a deploy',
  full.map((one) => one.overhead),
  GOALS.overhead,
);
print(
  '  of which in the runner and on the way',
  full.map((one) => one.wall - one.result.durationMs),
);
print(
  '  of which in the host program',
  full.map((one) => one.overhead - (one.wall - one.result.durationMs)),
);
print(
  'Overhead of a deploy with fewer steps',
  bare.map((one) => one.overhead),
);
print(
  'Wall time of a deploy',
  full.map((one) => one.wall),
);
for (const part of ['lock', 'git', 'install', 'build', 'pm2', 'verify'] as const) {
  print(
    `  of which ${part}`,
    full.map((one) => one.result.spent[part]),
  );
}
console.log(
  `  (of verify, ${STABLE_FOR} ms are the wait that was asked for; what is above them counts as overhead)`,
);
for (const [name, group] of [
  ['all steps', full],
  ['fewer steps', bare],
] as const) {
  const trips = group.map(({ traffic }) => `${traffic.roundTrips} in ${traffic.connections} connection(s)`);
  console.log(`Round trips after the login, ${name}: ${[...new Set(trips)].join(', ')}`);
}
const trips = new Set([...full, ...bare].map(({ traffic }) => traffic.roundTrips));
console.log(trips.size === 1 ? 'The number is constant.' : 'The number is NOT constant.');
// Times depend on what else the machine does, so they are shown; the number of round trips does not.
process.exitCode = trips.size === 1 ? 0 : 1;

/** Deploys one version after the other and takes apart what each cost; the first deploy warms up. */
async function measureDeploys(count: number): Promise<{ full: Measured[]; bare: Measured[] }> {
  const home = createHome(process.execPath, path.join(ROOT, 'node_modules/pm2/bin/pm2'));
  const repository = createRepository();
  let printed: Buffer[] = [];
  const ssh = await startEmbeddedSsh(home.directory, home.env, (chunk) => {
    printed.push(chunk);
  });
  process.once('SIGINT', () => void end().then(() => process.exit(130)));
  async function end(): Promise<void> {
    await ssh.stop();
    await home.remove();
    repository.remove();
  }
  const port = await freePort();
  let version = 0;
  const deploy = async (inputs: Record<string, string>): Promise<Measured> => {
    version++;
    const sha = repository.commit(fixtureApp({ version: `v${version}`, port }));
    const before = ssh.traffic();
    printed = [];
    const run = await runAction({
      inputs: {
        ...ssh.access,
        path: path.join(home.directory, 'shop'),
        repository: repository.url,
        'stable-for': `${STABLE_FOR}ms`,
        canary: 'off',
        ...inputs,
      },
      env: { GITHUB_SHA: sha },
    });
    if (run.outputs.outcome !== 'deployed') throw new Error(`the deploy failed:\n${run.stdout}${run.stderr}`);
    const result = resultIn(Buffer.concat(printed).toString('utf8'));
    const { lock, git, install, build, pm2, verify } = result.spent;
    const work = lock + git + install + build + pm2 + Math.min(verify, STABLE_FOR);
    return {
      overhead: run.durationMs - work,
      wall: run.durationMs,
      result,
      traffic: difference(before, ssh.traffic()),
    };
  };
  // Fewer steps that print less: what they cost apart from themselves, and the round trips, stay as they are.
  const fewer = { 'install-command': 'none', 'build-command': 'node build.js >/dev/null' };
  const full: Measured[] = [];
  const bare: Measured[] = [];
  try {
    await deploy({});
    for (let index = 0; index < count; index++) {
      full.push(await deploy({}));
      bare.push(await deploy(fewer));
    }
  } finally {
    await end();
  }
  return { full, bare };
}

/** The result that the host sent, from what crossed the wire: `<nonce> event <offset> <json>`. */
function resultIn(printed: string): HostResult {
  for (const line of printed.split('\n')) {
    const json = /^\S+ event \d+ (\{.*\})$/.exec(line)?.[1];
    const event = json ? (JSON.parse(json) as Event) : null;
    if (event?.type === 'end') return event.result;
  }
  throw new Error('the host sent no result');
}

function difference(before: Traffic, after: Traffic): Traffic {
  const minus = (key: keyof Traffic): number => after[key] - before[key];
  return {
    connections: minus('connections'),
    execs: minus('execs'),
    roundTrips: minus('roundTrips'),
    bytesIn: minus('bytesIn'),
    bytesOut: minus('bytesOut'),
  };
}

/** Milliseconds that the bundle needs to refuse missing inputs, and an empty Node to end; in turns, as a machine varies. */
function measureStartUp(count: number): { empty: number[]; bundle: number[] } {
  const time = (args: string[]): number => {
    const started = performance.now();
    spawnSync(process.execPath, args, { env: { PATH: process.env.PATH }, stdio: 'ignore' });
    return performance.now() - started;
  };
  const file = path.join(ROOT, 'dist/index.js');
  // Ends here and now where there is no bundle.
  execFileSync(process.execPath, ['--check', file]);
  const times = { empty: [] as number[], bundle: [] as number[] };
  for (let index = 0; index < count; index++) {
    times.empty.push(time(['-e', '0']));
    times.bundle.push(time([file]));
  }
  return times;
}

function print(name: string, values: number[], goal?: number): void {
  const round = (value: number): string => value.toFixed(0).padStart(6);
  const range = `(${Math.min(...values).toFixed(0)} to ${Math.max(...values).toFixed(0)}, ${values.length} runs)`;
  const verdict =
    goal === undefined ? '' : `  goal: at most ${goal}${median(values) > goal ? ', NOT reached' : ''}`;
  console.log(`${name.padEnd(40)}${round(median(values))} ms  ${range}${verdict}`);
}
