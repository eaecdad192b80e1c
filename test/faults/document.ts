import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { addFigures, readFigures } from '../load/figures.ts';
import { ROOT } from '../rig/places.ts';
import type { CellResult } from './cell.ts';
import { MOMENTS, titleOf, type Version } from './cells.ts';
import { FAULTS, type Fault } from './faults.ts';
import type { FleetResult } from './fleet-cell.ts';
import { FLEET_FAULTS, FLEET_MOMENTS, fleetTitleOf, nameOf } from './fleet-cells.ts';
import { SCENARIOS } from './scenarios.ts';

/** A cell for the terminal: one line, and what does not hold. */
export function lineOf(title: string, result: CellResult): string {
  const { outcome, requests, nextRequests, served, files, reconciled, next, problems, durationMs } = result;
  const head =
    `${problems.length === 0 ? 'ok  ' : 'FAIL'} ${title}: ${outcome}, ${requests.failed}/${requests.sent} failed, ` +
    `${served.join('+')} on ${files} files; next ${next}${reconciled === '' ? '' : ` (${reconciled})`}, ` +
    `${nextRequests.failed}/${nextRequests.sent} failed; ${(durationMs / 1000).toFixed(1)} s`;
  const lost = Object.entries(result.failures).map(([reason, count]) => `${reason} ${count}`);
  const details = [
    ...problems,
    ...(result.said === '' ? [] : [`"${result.said}"`]),
    ...(lost.length === 0 ? [] : [lost.join(', ')]),
  ];
  return [head, ...details.map((text) => `     ${text.replaceAll('\n', '\n     ')}`)].join('\n');
}

/** A cell of several servers, likewise. */
export function fleetLineOf(title: string, { text, problems, durationMs }: FleetResult): string {
  const head = `${problems.length === 0 ? 'ok  ' : 'FAIL'} ${title}: ${text}; ${(durationMs / 1000).toFixed(1)} s`;
  return [head, ...problems].join('\n').replaceAll('\n', '\n     ');
}

const PREFACE = `# What was broken, and what came of it

Written by \`npm run test:faults -- --all --write\`, which needs root. It may be run in parts: each figure is that of the last time.

In each cell a real deploy of a small app runs under constant load: with two cluster instances, or with one in fork mode and without a
line of shutdown code. With \`layout: releases\` the app has written files of its own since the last deploy. At one moment the host program is stopped and one thing is broken. Then the program goes on, if it still can.
After it comes the next deploy, from a job of its own: of the same commit, or of a good one if that commit was broken.

A cell reads \`outcome failed/sent\`:

- how the struck deploy ended on the server, and how many of the requests failed until the next deploy began;
- \`cut off\` if the host program had no chance to end the deploy;
- behind \`then\`, what failed in the next deploy;
- in brackets, what served before the next deploy, if it was not exactly one version.

A cell passes if the next deploy is green and all of this holds afterwards:

- at most 5 requests were lost, if the fault itself costs none (see the end of this page);
- one version alone serves;
- the files are those of a fresh build of its commit, to the byte, and all instances stand there; the app's own files and git's state are
  untouched;
- the lock is free; no process and no file of a deploy is left;
- PM2 lists and has saved the app's instances and nothing else, in a dump that only its user can read.

If the struck deploy came to its own end, all instances and files must be of one version even before the next one begins: of the new one
after \`deployed\`, of the old one after anything else.

The columns:

- *runner killed*: the action's process is killed, and its post step runs.
- *runner gone for good*: neither the action nor its post step is there any more.
- *SIGINT*: as a cancelled job gets it, with SIGTERM after 7.5 s and SIGKILL after 10 s.
- *connection silent*: no byte gets through any more, and nobody is told. New connections work.
- *PM2's command*: the \`pm2 startOrReload\` of a reload, if there is one at that moment.
- *disk full* and *no inodes*: until the struck deploy has ended, on the disk of the app, of PM2's home and of the deploy's own state.

`;

/** What is kept of a cell with one server, or with several. */
type Kept =
  | (Pick<CellResult, 'outcome' | 'requests' | 'nextRequests' | 'served'> & { title: string; holds: boolean })
  | (Pick<FleetResult, 'text'> & { title: string; holds: boolean });
type OfOne = Extract<Kept, { outcome: unknown }>;

const VERSIONS: Record<Version, string> = {
  good: 'A good version is deployed',
  broken: 'A version that throws at boot is deployed; its canary finds it',
  'broken, no canary': 'A version that throws at boot is deployed with `canary: off`',
  'good, in fork mode': 'A good version takes over in fork mode',
  'turning bad, in fork mode': 'A version turns bad after it took over in fork mode, and hands over again',
  'good, in releases': 'A good version is deployed with `layout: releases`',
  'broken, no canary, in releases':
    'A version that throws at boot is deployed with `layout: releases` and `canary: off`',
};

const DOCUMENT = path.join(ROOT, 'docs/faults.md');
const FIGURES = path.join(ROOT, 'docs/faults.jsonl');

const FLEET_PREFACE = `## Several servers as one deploy

Eight servers, each a machine of its own, get a version: the first one alone, then four at a time. The second server is struck as it
enters the state. Where a version fails on another server, that is the third one, and in \`verified\` the first one is struck.

A cell reads how the job ended, and on how many servers which version serves then. A server without power is not counted. After that
the server gets its power back, and the next deploy goes well on all eight.

If the runner is gone for good, nobody follows the deploy, not even the job's last step. After two minutes each server ends it by itself:
one that has verified the new version keeps it. The next deploy names such a mix.

`;

export function keep(title: string, result: CellResult | FleetResult): void {
  addFigures(FIGURES, [keptOf(title, result)], (row) => row.title);
}

function keptOf(title: string, result: CellResult | FleetResult): Kept {
  const holds = result.problems.length === 0;
  if ('text' in result) return { title, text: result.text, holds };
  const { outcome, requests, nextRequests, served } = result;
  return { title, outcome, requests, nextRequests, served, holds };
}

/** Writes docs/faults.md of all that is kept. */
export function writeDocument(): void {
  const kept = new Map(readFigures<Kept>(FIGURES).map((row) => [row.title, row]));
  const tables = (Object.keys(VERSIONS) as Version[]).map((version) => tableOf(version, kept));
  const scenarios = SCENARIOS.map(({ name }) => `| ${name} | ${textOf(kept.get(name))} |\n`);
  const costs = FAULTS.filter(({ costs }) => costs !== undefined).map((fault) => costOf(fault, kept));
  tables.push(
    `## Other things that break around a deploy\n\n| What | The deploy |\n| --- | --- |\n${scenarios.join('')}`,
    fleetTable(kept),
  );
  writeFileSync(DOCUMENT, `${PREFACE}${tables.join('\n')}\n## What cannot hold\n\n${costs.join('\n')}`);
}

type AllKept = ReadonlyMap<string, Kept>;

function tableOf(version: Version, kept: AllKept): string {
  const moments = MOMENTS.filter((moment) => moment.version === version);
  const rows = moments.map((moment) => {
    const cells = FAULTS.map((fault) => textOf(kept.get(titleOf({ fault, moment }))));
    return `| ${moment.name} | ${cells.join(' | ')} |\n`;
  });
  return `## ${VERSIONS[version]}\n\n${headOf(FAULTS)}${rows.join('')}`;
}

function fleetTable(kept: AllKept): string {
  const rows = FLEET_MOMENTS.map((moment) => {
    const cells = FLEET_FAULTS.map((fault) => textOf(kept.get(fleetTitleOf({ fault, moment }))));
    return `| ${nameOf(moment)} | ${cells.join(' | ')} |\n`;
  });
  return `${FLEET_PREFACE}${headOf(FLEET_FAULTS)}${rows.join('')}`;
}

function headOf(faults: readonly { name: string }[]): string {
  return `| Struck in | ${faults.map(({ name }) => name).join(' | ')} |\n|${' --- |'.repeat(faults.length + 1)}\n`;
}

function textOf(row: Kept | undefined): string {
  if (row === undefined) return '';
  const fails = row.holds ? '' : '**FAILS** ';
  if ('text' in row) return `${fails}${row.text}`;
  const { outcome, requests, nextRequests, served } = row;
  const whole = served.length === 1 && served[0] !== 'none';
  const next = nextRequests.failed === 0 ? '' : `, then ${nextRequests.failed}/${nextRequests.sent}`;
  return `${fails}${outcome} ${requests.failed}/${requests.sent}${whole ? '' : ` (${served.join(' and ')})`}${next}`;
}

/** What a fault costs whatever a deploy does. */
function costOf(fault: Fault, kept: AllKept): string {
  const of = MOMENTS.map((moment) => kept.get(titleOf({ fault, moment })));
  const lost = of.flatMap((row) => (isOfOne(row) ? [row.requests.failed + row.nextRequests.failed] : []));
  const some = lost.filter((count) => count > 0);
  return `${fault.name}: ${fault.costs} Of ${lost.length} cells ${some.length} lost requests, at most ${Math.max(0, ...some)}; the next deploy was green in all that pass.\n`;
}

function isOfOne(row: Kept | undefined): row is OfOne {
  return row !== undefined && 'outcome' in row;
}
