// Breaks one thing at each moment of a real deploy, under load, and deploys again.
// Usage: node test/faults/main.mts [--all] [--only <regular expression>] [--at-once <n>]
//   --all      every fault at every moment, and docs/faults.md is written; else a choice of both
//   --only     those whose title, `<fault> @ <version>: <moment>` or a scenario's name, it matches
//   --at-once  so many cells at a time; default 4
import { type ChildProcess, fork } from 'node:child_process';
import { once } from 'node:events';
import path from 'node:path';
import { parseArgs } from 'node:util';
import { setup } from '../rig/setup.ts';
import { type CellResult, notRun } from './cell.ts';
import { BOUNDED, CELLS, titleOf } from './cells.ts';
import { lineOf, writeDocument } from './document.ts';
import { SCENARIOS } from './scenarios.ts';

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    'at-once': { type: 'string', default: '4' },
  },
});
setup();

const isWhole = values.all && values.only === '';
const only = new RegExp(values.only);
const cells = values.all || values.only !== '' ? CELLS : BOUNDED;
const titles = [...SCENARIOS.map(({ name }) => name), ...cells.map(titleOf)].filter((title) =>
  only.test(title),
);
const results = new Map<string, CellResult>();
const ahead = [...titles];
const started = performance.now();

async function lane(): Promise<void> {
  const child = fork(path.join(import.meta.dirname, 'lane.mts'));
  const exit = once(child, 'exit');
  for (let title = ahead.shift(); title !== undefined; title = ahead.shift()) {
    const result = child.connected ? await resultOf(child, title) : notRun(new Error('its lane has ended'));
    results.set(title, result);
    console.log(lineOf(title, result));
    if (isWhole) writeDocument(results);
  }
  if (child.connected) child.disconnect();
  await exit;
}

function resultOf(child: ChildProcess, title: string): Promise<CellResult> {
  return new Promise((resolve) => {
    const onExit = (code: number | null): void => resolve(notRun(new Error(`its lane ended with ${code}`)));
    child.once('exit', onExit);
    child.once('message', (result) => {
      child.off('exit', onExit);
      resolve(result as CellResult);
    });
    child.send(title);
  });
}

await Promise.all(Array.from({ length: Number(values['at-once']) }, lane));
const failed = [...results.values()].filter(({ problems }) => problems.length > 0).length;
const seconds = Math.round((performance.now() - started) / 1000);
console.log(`\n${titles.length} cells, ${failed} failed, ${seconds} s`);
process.exitCode = failed === 0 ? 0 : 1;
