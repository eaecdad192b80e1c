// Breaks one thing at each moment of a real deploy, under load, and deploys again.
// Usage: node test/faults/main.mts [--all] [--only <regular expression on 'fault @ moment'>] [--at-once <n>]
import { parseArgs } from 'node:util';
import { setup } from '../rig/setup.ts';
import { type Cell, type CellResult, runCell } from './cell.ts';
import { MOMENTS } from './cells.ts';
import { FAULTS } from './faults.ts';
import { createFaultSite, type FaultSite } from './site.ts';

const { values } = parseArgs({
  options: {
    all: { type: 'boolean', default: false },
    only: { type: 'string', default: '' },
    'at-once': { type: 'string', default: '4' },
  },
});
setup();

const titleOf = ({ fault, moment }: Cell): string => `${fault.name} @ ${moment.version}: ${moment.name}`;
const cells = FAULTS.flatMap((fault) =>
  MOMENTS.filter((moment) => fault.client !== true || moment.client === true).map((moment) => ({
    fault,
    moment,
  })),
)
  .filter(({ moment }) => values.all || values.only !== '' || moment.bounded === true)
  .filter((cell) => new RegExp(values.only).test(titleOf(cell)));
const results = new Map<Cell, CellResult>();
const ahead = [...cells];
const started = performance.now();

async function lane(): Promise<void> {
  let site: FaultSite | null = null;
  try {
    for (let cell = ahead.shift(); cell !== undefined; cell = ahead.shift()) {
      const onDisk = cell.fault.disk === true;
      if (site !== null && onDisk !== (site.disk !== null)) {
        await site[Symbol.asyncDispose]();
        site = null;
      }
      site ??= await createFaultSite(onDisk);
      const result = await runCell(site, cell).catch(asProblem);
      results.set(cell, result);
      tell(cell, result);
      // What one cell left behind is not to spoil the next one.
      if (result.problems.length > 0) {
        await site[Symbol.asyncDispose]();
        site = null;
      }
    }
  } finally {
    await site?.[Symbol.asyncDispose]();
  }
}

function asProblem(error: unknown): CellResult {
  const none = { sent: 0, failed: 0 };
  return {
    outcome: 'cut off',
    requests: none,
    nextRequests: none,
    served: [],
    files: 'neither',
    reconciled: '',
    next: 'none',
    problems: [error instanceof Error ? (error.stack ?? error.message) : String(error)],
    durationMs: 0,
  };
}

function tell(cell: Cell, result: CellResult): void {
  const { outcome, requests, nextRequests, served, files, reconciled, next, problems, durationMs } = result;
  console.log(
    `${problems.length === 0 ? 'ok  ' : 'FAIL'} ${titleOf(cell)}: ${outcome}, ${requests.failed}/${requests.sent} failed, ` +
      `${served.join('+')} on ${files} files; next ${next}${reconciled === '' ? '' : ` (${reconciled})`}, ` +
      `${nextRequests.failed}/${nextRequests.sent} failed; ${(durationMs / 1000).toFixed(1)} s`,
  );
  for (const problem of problems) console.log(`     ${problem.replaceAll('\n', '\n     ')}`);
}

await Promise.all(Array.from({ length: Number(values['at-once']) }, lane));
const failed = [...results.values()].filter(({ problems }) => problems.length > 0).length;
console.log(
  `\n${cells.length} cells, ${failed} failed, ${Math.round((performance.now() - started) / 1000)} s`,
);
process.exit(failed === 0 ? 0 : 1);
