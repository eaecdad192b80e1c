import { LEASE } from '../../src/protocol.ts';
import type { ActionRun, StartedAction } from '../rig/action.ts';
import { hostProgramOf, isHostProgram, processesOf } from '../rig/leftovers.ts';
import type { MachineFleet } from '../rig/machines.ts';
import { poll } from '../rig/poll.ts';
import { pick, random } from '../rig/random.ts';

/** The server on which a version does not boot, where one has to fail. */
export const BROKEN = 2;

/** A deploy to several servers under way. */
export interface FleetScene {
  fleet: MachineFleet;
  /** The server that is struck, by its place. */
  struck: number;
  action: StartedAction;
  /** Runs the action's post entry, as GitHub's runner does after the step. */
  post(main: ActionRun): Promise<ActionRun>;
}

export interface FleetFault {
  name: string;
  strike(scene: FleetScene): Promise<void>;
  /** Sees the deploy to its end, and gives the run that knows it. */
  follow(scene: FleetScene): Promise<ActionRun>;
  /** The struck server is gone: nobody knows what it runs until the next deploy. */
  losesHost?: true;
  /** Nobody ends the deploy in its own job, so that servers may be left on two versions: the next one names the mix, and ends it. */
  mayLeaveMix?: true;
}

const end = ({ action }: FleetScene): Promise<ActionRun> => action.done;

export const FLEET_FAULTS: readonly FleetFault[] = [
  {
    name: 'runner killed',
    async strike({ action }) {
      action.process.kill('SIGKILL');
    },
    follow: async ({ action, post }) => post(await action.done),
  },
  {
    name: 'runner gone for good',
    async strike({ action }) {
      action.process.kill('SIGKILL');
    },
    async follow({ action, fleet }) {
      const directories = fleet.hosts.map(({ host }) => host.directory);
      const isOver = (): boolean => !directories.some((one) => processesOf(one).some(isHostProgram));
      await poll('the end of all host programs', LEASE + 60_000, isOver);
      return action.done;
    },
    mayLeaveMix: true,
  },
  {
    name: 'server powered off',
    strike: ({ fleet, struck }) => fleet.powerOff(struck),
    follow: end,
    losesHost: true,
  },
  {
    name: 'host program killed',
    async strike({ fleet, struck }) {
      process.kill(hostProgramOf(fleet.hosts[struck]?.host.directory ?? ''), 'SIGKILL');
    },
    follow: end,
  },
];

/** What the struck server enters when the fault comes. */
export interface FleetMoment {
  state: 'locked' | 'staged' | 'prepared' | 'activating' | 'verifying' | 'verified' | 'rolling-back';
  /** The version does not boot on one server. Struck is the first one, which waits longest, or the second one. */
  breaks?: true;
}

/** The second server goes live after the first one, with two others. */
export const struckIn = ({ state, breaks }: FleetMoment): number =>
  state === 'verified' && breaks === true ? 0 : 1;

export const FLEET_MOMENTS: readonly FleetMoment[] = [
  { state: 'locked' },
  { state: 'staged' },
  { state: 'prepared' },
  { state: 'activating' },
  { state: 'verifying' },
  { state: 'verified' },
  { state: 'verified', breaks: true },
  { state: 'rolling-back', breaks: true },
];

export const nameOf = ({ state, breaks }: FleetMoment): string =>
  `${state}${breaks === true ? ', of a version that fails on another server' : ''}`;

export interface FleetCell {
  fault: FleetFault;
  moment: FleetMoment;
}

export const fleetTitleOf = ({ fault, moment }: FleetCell): string =>
  `several servers: ${fault.name} @ ${nameOf(moment)}`;

export const FLEET_CELLS: readonly FleetCell[] = FLEET_FAULTS.flatMap((fault) =>
  FLEET_MOMENTS.filter(
    // The lease is two minutes, and in one state alone servers differ in what they do at its end.
    ({ state, breaks }) => fault.mayLeaveMix !== true || (state === 'verified' && breaks !== true),
  ).map((moment) => ({ fault, moment })),
);

/** Those with a server that is lost while it changes, one with a host program that waits, and two with a runner that is killed. */
export function boundedFleetCells(seed: number): FleetCell[] {
  const isFixed = ({ fault, moment: { state, breaks } }: FleetCell): boolean =>
    fault.losesHost === true
      ? ['activating', 'verifying', 'rolling-back'].includes(state)
      : fault.name === 'host program killed' && state === 'verified' && breaks === true;
  const killed = FLEET_CELLS.filter(({ fault }) => fault.name === 'runner killed');
  const rand = random(seed);
  const first = pick(rand, killed);
  const second = pick(
    rand,
    killed.filter((cell) => cell !== first),
  );
  return [...FLEET_CELLS.filter(isFixed), first, second];
}
