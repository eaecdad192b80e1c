// Deploys of the same commits by this action and by the script that people paste, in turn, on one host with real sshd, git
// and PM2. Usage: node bench/deploys.mts [--write] [--only <a name of examples/>]
// `--write` writes docs/benchmarks.md.
import { writeFileSync } from 'node:fs';
import { cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { trustCertificates } from '../test/rig/certificates.ts';
import { exampleFiles } from '../test/rig/example-files.ts';
import { createHost } from '../test/rig/host.ts';
import { ROOT } from '../test/rig/places.ts';
import { setup } from '../test/rig/setup.ts';
import { createSite } from '../test/rig/site.ts';
import { median } from './median.ts';
import { openClient } from './pasted-script.ts';
import { measureSwaps } from './swap-sizes.ts';

/** An example, and how it is built; empty if it is not. */
interface Kind {
  title: string;
  example: string;
  /** What the ecosystem file calls it. */
  app: string;
  build: string;
  /** Of our time to the script's. */
  goal: number;
}

const ROUNDS = 3;

const KINDS: readonly Kind[] = [
  { title: 'Express, no build', example: 'express', app: 'api', build: '', goal: 1 },
  { title: 'NestJS', example: 'nestjs', app: 'api', build: 'npm run build', goal: 0.75 },
];

const { values: given } = parseArgs({
  options: { write: { type: 'boolean', default: false }, only: { type: 'string', default: '' } },
});
if (given.write && given.only !== '') throw new Error('--write takes all kinds: leave --only out.');

setup();
const lines: string[] = [];
const say = (line: string): void => {
  console.log(line);
  lines.push(line);
};
await using host = await createHost();
trustCertificates(host.directory);
say('| Median, in seconds | this action | the script | ratio | goal |');
say('| --- | --- | --- | --- | --- |');
for (const kind of KINDS.filter(({ example }) => given.only === '' || example === given.only))
  await compare(kind);
say('');
say('| Paths in one swap | there | back | memory |');
say('| --- | --- | --- | --- |');
for (const { paths, forward, backward, memory } of measureSwaps([1_000, 10_000, 100_000]))
  say(
    `| ${paths.toLocaleString('en')} | ${seconds(forward)} | ${seconds(backward)} | ${Math.round(memory)} MiB |`,
  );
if (given.write) writeFileSync(path.join(ROOT, 'docs/benchmarks.md'), page(lines));

/** One repository, and two checkouts of it on the host: ours, and the one that the script pulls into. */
async function compare({ title, example, app, build, goal }: Kind): Promise<void> {
  await using site = await createSite(host, { app: { name: example } });
  const script = openClient(host);
  const theirs = { name: `${example}-script`, port: site.port + 1 };
  const version = (name: string, port: number, value: string): Record<string, string> =>
    exampleFiles(example, {
      "version = '1'": `version = '${value}'`,
      [`name: '${app}'`]: `name: '${name}'`,
      'PORT: 3000': `PORT: ${port}`,
    });
  const commit = (value: string): string =>
    site.repository.commit({
      ...version(example, site.port, value),
      // The script has an ecosystem file of its own, since both run under one PM2.
      'theirs.config.js': version(theirs.name, theirs.port, value)['ecosystem.config.js'] ?? '',
    });
  const scripted = (get: string): Promise<number> =>
    script.run(
      [`cd ~/${theirs.name}`, get, 'npm ci --no-audit --no-fund', build, 'pm2 startOrReload theirs.config.js']
        .filter((line) => line !== '')
        .join('; '),
    );
  const ours = async (inputs: Record<string, string>): Promise<number> => {
    const steps = { 'install-command': '', 'build-command': build === '' ? 'none' : build };
    const run = await site.deploy({ ...steps, 'health-url': '/version', 'stable-for': '0s', ...inputs });
    if (run.outputs.outcome !== 'deployed') throw new Error(`the deploy failed:\n${run.stdout}`);
    return run.durationMs;
  };
  await ours({ ref: commit('a0') });
  await script.run(`git clone -q ${site.repository.url} ~/${theirs.name}`);
  await scripted('true');
  const times = { ours: [] as number[], theirs: [] as number[], back: [] as number[], built: [] as number[] };
  for (let round = 1; round <= ROUNDS; round++) {
    const sha = commit(`a${round}`);
    times.theirs.push(await scripted('git pull -q'));
    times.ours.push(await ours({ ref: sha }));
    times.built.push(await scripted('git checkout -q HEAD~1'));
    times.back.push(await ours({ mode: 'rollback', ref: '' }));
    await scripted('git checkout -q main');
    await ours({ ref: sha });
  }
  script.remove();
  report(`${title}: a change of code`, times.ours, times.theirs, goal.toFixed(2));
  report(`${title}: back to the version before`, times.back, times.built, '');
}

function report(what: string, ours: readonly number[], theirs: readonly number[], goal: string): void {
  const [a, b] = [median(ours), median(theirs)];
  say(`| ${what} | ${seconds(a)} | ${seconds(b)} | ${(a / b).toFixed(2)} | ${goal} |`);
}

function seconds(ms: number): string {
  return (ms / 1000).toFixed(ms < 1_000 ? 3 : 1);
}

function page(measured: readonly string[]): string {
  return `# How long a deploy takes

Written by \`npm run bench -- --write\`, on ${cpus().length} cores. The [examples](../examples) are deployed on one server with a real
\`sshd\`, git and PM2: by this action and by the usual script, in turn, with the same commits. The script is \`git pull\`, \`npm ci\`, the
build and \`pm2 startOrReload\` in the live directory, through OpenSSH's \`ssh\`. The action has its canary and its verification, at
\`stable-for: 0s\`. Going back is \`mode: rollback\` here, and the older commit built anew there. Each figure is the median of ${ROUNDS}.

${measured.join('\n')}

The default \`stable-for: 10s\` adds 10 s for the canary and 10 s for the verification. \`stable-for: 3s\` adds 3 s twice.

In a swap every path is renamed by itself, which is the worst case: as a rule whole directories are.
`;
}
