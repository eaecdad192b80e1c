// The cells of several servers, one after the other, in a process of its own. It is sent their titles, and answers each with its
// result.
import { answerTitles } from './answer-titles.ts';
import {
  createFaultFleet,
  type FaultFleet,
  type FleetResult,
  fleetNotRun,
  runFleetCell,
} from './fleet-cell.ts';
import { FLEET_CELLS, fleetTitleOf } from './fleet-cells.ts';

let fleet: FaultFleet | null = null;

async function run(title: string): Promise<FleetResult> {
  const cell = FLEET_CELLS.find((one) => fleetTitleOf(one) === title);
  try {
    if (cell === undefined) throw new Error(`nothing is called ${title}`);
    fleet ??= await createFaultFleet();
    const result = await runFleetCell(fleet, cell);
    // What one of them left behind is not to spoil the next one.
    if (result.problems.length > 0) await leave();
    return result;
  } catch (error) {
    await leave();
    return fleetNotRun(error);
  }
}

async function leave(): Promise<void> {
  await fleet?.[Symbol.asyncDispose]();
  fleet = null;
}

answerTitles(run, leave);
