// One lane of the suite, in a process of its own, so that the load and the watching of one cell hold up no other.
// It is sent the titles of cells and scenarios, and answers each with its result.
import { isDeepStrictEqual } from 'node:util';
import { answerTitles } from './answer-titles.ts';
import { type CellResult, notRun, runCell } from './cell.ts';
import { CELLS, inForkMode, inReleases, titleOf } from './cells.ts';
import { runScenario } from './scenario.ts';
import { SCENARIOS, type Scenario } from './scenarios.ts';
import { createFaultSite, type FaultSite } from './site.ts';

let site: FaultSite | null = null;

async function run(title: string): Promise<CellResult> {
  const cell = CELLS.find((one) => titleOf(one) === title);
  const scenario = SCENARIOS.find(({ name }) => name === title);
  const kind = {
    onDisk: (cell?.fault ?? scenario)?.disk === true,
    forkMode: cell !== undefined && inForkMode(cell.moment.version),
    releases: cell !== undefined && inReleases(cell.moment.version),
  };
  try {
    if (site !== null && !isDeepStrictEqual(site.kind, kind)) await leave();
    site ??= await createFaultSite(kind);
    if (cell === undefined && scenario === undefined) throw new Error(`nothing is called ${title}`);
    const result = cell ? await runCell(site, cell) : await runScenario(site, scenario as Scenario);
    // What one of them left behind is not to spoil the next one; a scenario may change the server for good.
    if (scenario !== undefined || result.problems.length > 0) await leave();
    return result;
  } catch (error) {
    await leave();
    return notRun(error);
  }
}

async function leave(): Promise<void> {
  await site?.[Symbol.asyncDispose]();
  site = null;
}

answerTitles(run, leave);
