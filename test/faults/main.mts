// Breaks one thing at each moment of a real deploy, under load, and deploys again.
// Usage: node test/faults/main.mts [--all] [--only <regular expression>] [--write] [--at-once <n>] [--seed <n>]
//   --all      every fault at every moment; else a choice of both
//   --only     those whose title, `<fault> @ <version>: <moment>` or a scenario's name, it matches
//   --write    keeps the figures in docs/faults.jsonl, and writes docs/faults.md of all that are kept
//   --at-once  so many cells at a time; default 4
//   --seed     chooses, where there is a choice: each commit has its own, so that what is red is red again
import { type ChildProcess, fork, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { setup } from '../rig/setup.ts';
import { type CellResult, notRun } from './cell.ts';
import { BOUNDED, CELLS, titleOf } from './cells.ts';
import { fleetLineOf, keep, lineOf, writeDocument } from './document.ts';
import { type FleetResult, fleetNotRun } from './fleet-cell.ts';
import { boundedFleetCells, FLEET_CELLS, fleetTitleOf } from './fleet-cells.ts';
import { SCENARIOS } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    write: { type: 'boolean', default: false },
    'at-once': { type: 'string', default: '4' },
    seed: { type: 'string', default: seedOfCommit() },
  },
});
const seed = Number(values.seed);
setup();

const only = new RegExp(values.only);
const cells = values.all || values.only !== '' ? CELLS : BOUNDED;
const titles = [...SCENARIOS.map(({ name }) => name), ...cells.map(titleOf)].filter((title) =>
  only.test(title),
);
const fleetCells = values.all || values.only !== '' ? FLEET_CELLS : boundedFleetCells(seed);
const fleetTitles = fleetCells.map(fleetTitleOf).filter((title) => only.test(title));
const results: (CellResult | FleetResult)[] = [];
const ahead = [...titles];
const fleetAhead = [...fleetTitles];
const started = performance.now();

function seedOfCommit(): string {
  const { stdout } = spawnSync('git', ['rev-parse', 'HEAD'], { cwd: import.meta.dirname, encoding: 'utf8' });
  return String(Number.parseInt(stdout?.slice(0, 5) || '1', 16));
}

function note(title: string, result: CellResult | FleetResult): void {
  results.push(result);
  console.log('text' in result ? fleetLineOf(title, result) : lineOf(title, result));
  if (!values.write) return;
  keep(title, result);
  writeDocument();
}

/** Several servers have a lane of their own: no two of its cells run at once. */
const fleetLane = (): Promise<void> => lane('fleet-lane.mts', fleetAhead, fleetNotRun, note);
const hostLane = (): Promise<void> => lane('lane.mts', ahead, notRun, note);

/** Runs cells in a process of its own until none is left. */
async function lane<R>(
  file: string,
  titles: string[],
  notRun: (error: unknown) => R,
  done: (title: string, result: R) => void,
): Promise<void> {
  const child = fork(path.join(import.meta.dirname, file));
  const exit = once(child, 'exit');
  for (let title = titles.shift(); title !== undefined; title = titles.shift())
    done(
      title,
      child.connected ? await resultOf(child, title, notRun) : notRun(new Error('its lane has ended')),
    );
  if (child.connected) child.disconnect();
  await exit;
}

function resultOf<R>(child: ChildProcess, title: string, notRun: (error: unknown) => R): Promise<R> {
  return new Promise((resolve) => {
    const onExit = (code: number | null): void => resolve(notRun(new Error(`its lane ended with ${code}`)));
    child.once('exit', onExit);
    child.once('message', (result) => {
      child.off('exit', onExit);
      resolve(result as R);
    });
    child.send(title);
  });
}

// With servers of their own beside them, one lane less.
const lanes = Number(values['at-once']) - Math.min(1, fleetTitles.length);
const fleetDone = fleetTitles.length > 0 ? fleetLane().then(hostLane) : null;
await Promise.all([fleetDone, ...Array.from({ length: titles.length > 0 ? lanes : 0 }, hostLane)]);
const failed = results.filter(({ problems }) => problems.length > 0).length;
const seconds = Math.round((performance.now() - started) / 1000);
console.log(`\n${results.length} cells, ${failed} failed, ${seconds} s, seed ${seed}`);
process.exitCode = failed === 0 ? 0 : 1;
