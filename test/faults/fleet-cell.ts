import { createMachines, type MachineFleet } from '../rig/machines.ts';
import { BROKEN, type FleetCell, struckIn } from './fleet-cells.ts';

export interface FleetResult {
  /** How the struck deploy ended, and what the servers serve then. */
  text: string;
  /** What does not hold; empty for a cell that passes. */
  problems: string[];
  durationMs: number;
}

/** The result of a cell that could not be carried out. */
export function fleetNotRun(error: unknown): FleetResult {
  const problem = error instanceof Error ? (error.stack ?? error.message) : String(error);
  return { text: 'not run', problems: [problem], durationMs: 0 };
}

const SERVERS = 8;
const REACHED_WITHIN = 90_000;

/** Eight servers with one app, on the same version. */
export interface FaultFleet extends AsyncDisposable {
  fleet: MachineFleet;
  live: string;
  commitNext(): { version: string; sha: string };
}

export async function createFaultFleet(): Promise<FaultFleet> {
  const fleet = await createMachines(SERVERS, { 'max-parallel': '50%' });
  let count = 0;
  const faultFleet: FaultFleet = {
    fleet,
    live: '',
    commitNext() {
      count += 1;
      const version = `v${count}`;
      return { version, sha: fleet.commit(version) };
    },
    [Symbol.asyncDispose]: fleet.stop,
  };
  const problems = await deployWell(faultFleet);
  if (problems.length === 0) return faultFleet;
  await fleet.stop();
  throw new Error(`the first deploy failed: ${problems.join('\n')}`);
}

/** Deploys to several servers, breaks one thing at one moment, deploys again, and looks at what they serve. */
export async function runFleetCell(
  faultFleet: FaultFleet,
  { fault, moment }: FleetCell,
): Promise<FleetResult> {
  const started = performance.now();
  const { fleet, live } = faultFleet;
  const struck = struckIn(moment);
  const { version, sha } = faultFleet.commitNext();
  const given = { ref: sha };
  if (moment.breaks === true) fleet.hosts[BROKEN]?.breakVersion(version);
  const action = fleet.start(given);
  const scene = {
    fleet,
    struck,
    action,
    post: (main: Awaited<typeof action.done>) => fleet.post(main.exported.state, given),
  };
  await action.says(new RegExp(`host-${struck + 1}: ${moment.state}`), REACHED_WITHIN);
  await fault.strike(scene);
  const run = await fault.follow(scene);

  const problems: string[] = [];
  const served = await fleet.served();
  const known = served.filter((_, at) => fault.losesHost !== true || at !== struck);
  const names: Record<string, string> = { [live]: 'the old version', [version]: 'the new version' };
  const versions = [...new Set(known)];
  const said = versions.map((one) => {
    const count = known.filter((other) => other === one).length;
    return `${count} on ${names[one ?? ''] ?? 'nothing'}`;
  });
  const ended = fault.mayLeaveMix === true ? 'cut off' : run.outputs.outcome;
  const text = `${ended ?? (run.code === 0 ? 'deployed' : 'failed')}, ${said.sort().join(' and ')}`;
  const isKnown = versions.every((one) => one === live || one === version);
  if (!isKnown || versions.length > (fault.mayLeaveMix === true ? 2 : 1))
    problems.push(`it ended with ${served.join(' ')}:\n${run.stdout}`);
  if (fault.losesHost === true) {
    if (!run.summary.includes(`host-${struck + 1} | not known`))
      problems.push(`the summary does not name the lost server:\n${run.summary}`);
    await fleet.powerOn(struck);
  }
  fleet.hosts[BROKEN]?.breakVersion(null);
  problems.push(...(await deployWell(faultFleet, versions.length > 1)));
  return { text, problems, durationMs: performance.now() - started };
}

/** Deploys a good version to all. Returns what does not hold then. */
async function deployWell(faultFleet: FaultFleet, isMixed = false): Promise<string[]> {
  const { fleet } = faultFleet;
  const { version, sha } = faultFleet.commitNext();
  const run = await fleet.deploy({ ref: sha });
  const served = await fleet.served();
  faultFleet.live = version;
  const namesMix = !isMixed || run.stdout.includes('The hosts do not have the same commit now');
  if (run.outputs.outcome === 'deployed' && namesMix && served.every((one) => one === version)) return [];
  return [`the next deploy ended as ${run.outputs.outcome} with ${served.join(' ')}:\n${run.stdout}`];
}
