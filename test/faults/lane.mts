// One lane of the suite, in a process of its own, so that the load and the watching of one cell hold up no other.
// It is sent the titles of cells, and answers each with its result.
import { type CellResult, notRun, runCell } from './cell.ts';
import { CELLS, type Cell, titleOf } from './cells.ts';
import { createFaultSite, type FaultSite } from './site.ts';

let site: FaultSite | null = null;

async function run(cell: Cell): Promise<CellResult> {
  const onDisk = cell.fault.disk === true;
  try {
    if (site !== null && onDisk !== (site.disk !== null)) await leave();
    site ??= await createFaultSite(onDisk);
    const result = await runCell(site, cell);
    // What one cell left behind is not to spoil the next one.
    if (result.problems.length > 0) await leave();
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

process.on('message', async (title: string) => {
  const cell = CELLS.find((one) => titleOf(one) === title);
  if (cell === undefined) throw new Error(`no cell is called ${title}`);
  process.send?.(await run(cell));
});
process.on('disconnect', async () => {
  await leave();
  process.exit();
});
