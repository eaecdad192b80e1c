// Every case of test/load/cases.ts as a real deploy under load, on each PM2 and on two instances and on one.
// Usage: node bench/reload.mts [--sample | --write] [--pm2 <major>] [--instances <1|2>] [--only <part of a title>]
// Ends with exit code 1 where anything is not as the case has it. `--sample` runs each case on one PM2, another one with the
// next commit; `--write` keeps the figures in docs/reload.jsonl, and puts all that are kept into docs/reload.md.
import { execFileSync } from 'node:child_process';
import { cpus } from 'node:os';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { CASES } from '../test/load/cases.ts';
import { addFigures } from '../test/load/figures.ts';
import { type Row, startLane } from '../test/load/lane.ts';
import { type Figure, keyOf, tableOf } from '../test/load/table.ts';
import { ROOT } from '../test/rig/places.ts';
import { ALL_RUNTIMES } from '../test/rig/pm2.ts';
import { endOfLog } from '../test/rig/runner-log.ts';
import { setup } from '../test/rig/setup.ts';
import { writeTable } from './page.ts';

/** Lanes at once: a deploy waits more than it works, and two cores carry so many without a request being late. */
const AT_ONCE = 3;
const PAGE = path.join(ROOT, 'docs/reload.md');
const FIGURES = path.join(ROOT, 'docs/reload.jsonl');

const { values: given } = parseArgs({
  options: {
    sample: { type: 'boolean', default: false },
    write: { type: 'boolean', default: false },
    pm2: { type: 'string', default: '' },
    instances: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
  },
});

setup();
const cases = CASES.filter(({ title }) => title.includes(given.only));
const turn = given.sample ? Number.parseInt(head().slice(0, 6), 16) : 0;
const lanes = [2, 1].flatMap((instances) =>
  ALL_RUNTIMES.filter(({ pm2Version }) => pm2Version.startsWith(given.pm2))
    .filter(() => given.instances === '' || given.instances === String(instances))
    .map((runtime, nth) => ({
      runtime,
      instances,
      cases: cases.filter((_, at) => !given.sample || (at + nth + turn) % ALL_RUNTIMES.length === 0),
    })),
);
const rows: Row[] = [];
const broken: string[] = [];
const started = performance.now();
const left = [...lanes];
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let lane = left.shift(); lane !== undefined; lane = left.shift()) await runLane(lane);
  }),
);

console.log(`\n${tableOf(cases, rows)}\n`);
for (const text of broken) console.log(text);
const minutes = ((performance.now() - started) / 60_000).toFixed(1);
console.log(`${rows.length} rows in ${minutes} minutes; ${broken.length} not as promised.`);
const wanted = lanes.reduce((sum, lane) => sum + lane.cases.length, 0);
process.exitCode = broken.length === 0 && rows.length === wanted ? 0 : 1;

function head(): string {
  return execFileSync('git', ['rev-parse', 'HEAD'], { cwd: ROOT, encoding: 'utf8' });
}

async function runLane({ runtime, instances, cases: own }: (typeof lanes)[number]): Promise<void> {
  await using lane = await startLane(runtime, instances);
  for (const one of own) {
    const name = `${runtime.name}, ${instances} instance(s), ${one.title}`;
    try {
      const row = await lane.run(one);
      rows.push(row);
      if (given.write) write(row);
      const spell = row.failed > 1 ? ` within ${Math.round(row.failingForMs)} ms` : '';
      console.log(
        `${row.wrong.length === 0 ? 'ok' : 'NOT AS PROMISED'}: ${name}: ${row.outcome}, ${row.failed} of ${row.sent} failed${spell}, ${row.seconds.toFixed(1)} s`,
      );
      if (row.wrong.length > 0) broken.push(`${name}: ${row.wrong.join('; ')}\n${endOfLog(row.log)}`);
    } catch (error) {
      console.log(`NOT AS PROMISED: ${name}: it could not be run`);
      broken.push(`${name}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function write({ log: _, ...row }: Row): void {
  const machine = `${cpus().length} cores; ${ALL_RUNTIMES.map(({ name }) => name).join(', ')}.`;
  writeTable(PAGE, `${machine}\n\n${tableOf(CASES, addFigures<Figure>(FIGURES, [row], keyOf))}`);
}
