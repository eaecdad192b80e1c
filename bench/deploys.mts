// Deploys of the same commits by this action and by what people use instead, in turn, on one host with real sshd, git and PM2.
// Usage: node bench/deploys.mts [--only <section>] [--write | --short]
// `--write` writes what was measured into docs/benchmarks.md. `--short` deploys Express beside the script alone, and fails if a
// ratio got clearly worse.
import { execFileSync } from 'node:child_process';
import { cpus, loadavg } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { trustCertificates } from '../test/rig/certificates.ts';
import { exampleFiles } from '../test/rig/example-files.ts';
import { freePort } from '../test/rig/free-port.ts';
import { createHost, type Host } from '../test/rig/host.ts';
import { ROOT } from '../test/rig/places.ts';
import { setup } from '../test/rig/setup.ts';
import { createSite, type Site } from '../test/rig/site.ts';
import { measureBundles } from './bundles.ts';
import { type Client, openClient } from './client.ts';
import { measureDistance } from './distance.ts';
import { median } from './median.ts';
import { writeTable } from './page.ts';
import { installPeers, type Peer, pastedScript, pm2Deploy, shipit } from './peers.ts';
import { measureSwaps } from './swap-sizes.ts';

/** An example, and how it is built; empty if it is not. */
interface Kind {
  example: string;
  /** What the ecosystem file calls it. */
  app: string;
  build: string;
  rounds: number;
  /** Of our time to the script's. */
  goal: number;
}

const EXPRESS: Kind = { example: 'express', app: 'api', build: '', rounds: 3, goal: 1 };
const NEST: Kind = { example: 'nestjs', app: 'api', build: 'npm run build', rounds: 3, goal: 0.75 };
const NEXT: Kind = {
  ...{ example: 'nextjs', app: 'site', rounds: 3, goal: 0.5 },
  build: 'echo 1 > deployment-id.txt && npm run build',
};
/** Ratios to the script at which the short form fails. They leave room for a busy machine. */
const WORST = { deploy: 1.4, back: 1.3 };

const PAGE = path.join(ROOT, 'docs/benchmarks.md');
/** What `--only` takes, and what stands between the marks of the same name. */
const SECTIONS: Record<string, (host: Host) => Promise<string>> = {
  express: (host) => tableOf(host, EXPRESS),
  nestjs: (host) => tableOf(host, NEST),
  nextjs: (host) => tableOf(host, NEXT),
  distance: distanceTable,
  bundles: bundleTable,
  swaps: swapTable,
};

const { values: given } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    short: { type: 'boolean', default: false },
    only: { type: 'string', default: Object.keys(SECTIONS).join() },
  },
});

setup();
await using host = await createHost();
trustCertificates(host.directory);
if (given.short) await short();
else for (const section of given.only.split(',')) await long(section);

async function long(section: string): Promise<void> {
  const measure = SECTIONS[section];
  if (measure === undefined) throw new Error(`--only takes ${Object.keys(SECTIONS).join(', ')}.`);
  const table = await measure(host);
  console.log(`\n${section}\n\n${table}`);
  if (given.write) writeTable(PAGE, table, section);
}

/** One way to deploy, and its times in milliseconds. */
interface Way {
  name: string;
  deploy: number[];
  back: number[];
  /** KiB on the server, all that it keeps there included. */
  disk: number;
}

async function short(): Promise<void> {
  const [ours, script] = await compare(host, EXPRESS, () => []);
  for (const what of ['deploy', 'back'] as const) {
    const ratio = median(ours[what]) / median(script[what]);
    const isWorse = ratio > WORST[what];
    console.log(
      `${what}: ${seconds(median(ours[what]))} s, the script ${seconds(median(script[what]))} s. The ratio is ${ratio.toFixed(2)}; at most ${WORST[what]} is taken${isWorse ? ': it got worse' : ''}.`,
    );
    if (isWorse) process.exitCode = 1;
  }
}

async function tableOf(on: Host, kind: Kind): Promise<string> {
  const ways = await compare(on, kind, (project, client) => [
    pm2Deploy(project, client, on),
    shipit(project, client, on),
  ]);
  const script = median(ways[1].deploy);
  const rows = ways.map(({ name, deploy, back, disk }) => [
    name,
    seconds(median(deploy)),
    (median(deploy) / script).toFixed(2),
    back.length === 0 ? '' : seconds(median(back)),
    (disk / 1024).toFixed(0),
  ]);
  return [
    `Goal: at most ${kind.goal.toFixed(2)} of the script's time. ${kind.rounds === 1 ? 'Measured once' : `Medians of ${kind.rounds}`}, on ${machine()}.`,
    '',
    table(['', 'a change of code, s', 'to the script', 'back by one version, s', 'on the disk, MiB'], rows),
  ].join('\n');
}

/** A load above the number of cores says that others were at work: then the ratios tell more than the times. */
function machine(): string {
  return `${cpus().length} cores with a load of ${(loadavg()[0] ?? 0).toFixed(1)}`;
}

/** One repository, and a checkout of it on the host for each way: first ours, then the script's, then those of the peers. */
async function compare(
  on: Host,
  { example, app, build, rounds }: Kind,
  peersOf: (project: Parameters<typeof shipit>[0], client: Client) => Peer[],
): Promise<[Way, Way, ...Way[]]> {
  await using site = await createSite(on, { app: { name: example } });
  const client = openClient(on);
  try {
    const project = { name: example, url: site.repository.url, build };
    const script = pastedScript(project, client);
    const further = peersOf(project, client);
    if (further.length > 0) await installPeers(client);
    const peers = await Promise.all(
      [script, ...further].map(async (peer) => ({ peer, port: await freePort(), times: way(peer.name) })),
    );
    const files = (name: string, port: number, value: string): Record<string, string> =>
      exampleFiles(example, {
        "version = '1'": `version = '${value}'`,
        [`name: '${app}'`]: `name: '${name}'`,
        'PORT: 3000': `PORT: ${port}`,
      });
    // Each way has an ecosystem file of its own, since all run under one PM2.
    const commit = (value: string): string =>
      site.repository.commit({
        ...files(example, site.port, value),
        ...Object.fromEntries(
          peers.map(({ peer: { suffix }, port }) => [
            `${suffix}.config.js`,
            files(`${example}-${suffix}`, port, value)['ecosystem.config.js'] ?? '',
          ]),
        ),
      });
    const ours = way('this action');
    const deploy = (inputs: Record<string, string>): Promise<number> => deployOurs(site, build, inputs);
    await deploy({ ref: commit('a0') });
    for (const { peer } of peers) await peer.prepare();
    // Nobody measures the first ones.
    await Promise.all(peers.map(({ peer }) => peer.deploy()));
    for (let round = 1; round <= rounds; round++) {
      const ref = commit(`a${round}`);
      for (const { peer, times } of peers) times.deploy.push(await peer.deploy());
      ours.deploy.push(await deploy({ ref }));
      peers[0]?.times.back.push(await script.back());
      ours.back.push(await deploy({ mode: 'rollback', ref: '' }));
    }
    const kept = [`.${example}.pm2-ssh-deploy`, `.local/state/pm2-ssh-deploy/${example}-*`];
    ours.disk = sizeOf(on, example, ...kept);
    for (const { peer, times } of peers) times.disk = sizeOf(on, `${example}-${peer.suffix}`);
    for (const { peer } of peers) await on.pm2(['delete', `${example}-${peer.suffix}`]);
    const [first, ...rest] = peers.map(({ times }) => times);
    if (first === undefined) throw new Error('there is no script');
    return [ours, first, ...rest];
  } finally {
    client.remove();
  }
}

async function deployOurs(site: Site, build: string, inputs: Record<string, string>): Promise<number> {
  const steps = { 'install-command': '', 'build-command': build === '' ? 'none' : build };
  const run = await site.deploy({
    ...{ ...steps, 'health-url': '/version', 'health-timeout': '60s', 'stable-for': '0s' },
    ...inputs,
  });
  if (run.outputs.outcome !== 'deployed') throw new Error(`the deploy failed:\n${run.stdout}`);
  return run.durationMs;
}

function way(name: string): Way {
  return { name, deploy: [], back: [], disk: 0 };
}

/** KiB of what these names stand for in the home; what several of them share on the disk counts once. */
function sizeOf({ directory }: Host, ...names: string[]): number {
  const line = `du -sck ${names.join(' ')} | tail -1`;
  return Number.parseInt(execFileSync('sh', ['-c', line], { cwd: directory, encoding: 'utf8' }), 10);
}

async function distanceTable(on: Host): Promise<string> {
  const found = await measureDistance(on);
  return table(
    ['', 'round trips that it adds', 'sent to the server, KB', 'sent by the server, KB'],
    found.map(({ what, trips, up, down }) => [
      what,
      trips.toFixed(1),
      (up / 1000).toFixed(0),
      (down / 1000).toFixed(0),
    ]),
  );
}

async function bundleTable(): Promise<string> {
  const { bundles, empty } = measureBundles();
  const rows = bundles.map(({ name, bytes, packed, start }) => [
    name,
    (bytes / 1000).toFixed(0),
    (packed / 1000).toFixed(0),
    start === null ? '' : start.toFixed(0),
  ]);
  return [
    `An empty Node takes ${empty.toFixed(0)} ms.`,
    '',
    table(['', 'size, KB', 'gzipped, KB', 'until it refuses missing inputs, ms'], rows),
  ].join('\n');
}

async function swapTable(): Promise<string> {
  const found = measureSwaps([1_000, 10_000, 100_000]);
  const costs = table(
    ['Paths in one swap', 'there, s', 'back, s', 'memory, MiB'],
    found.map(({ paths, forward, backward, memory }) => [
      paths.toLocaleString('en'),
      seconds(forward),
      seconds(backward),
      String(Math.round(memory)),
    ]),
  );
  return `Measured on ${machine()}.\n\n${costs}`;
}

function table(head: readonly string[], rows: readonly (readonly string[])[]): string {
  return [head, head.map(() => '---'), ...rows].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(ms < 1_000 ? 3 : 1);
}
