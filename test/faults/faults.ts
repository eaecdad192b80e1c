import { setTimeout as pause } from 'node:timers/promises';
import type { ActionRun, StartedAction } from '../rig/action.ts';
import { processesOf } from '../rig/leftovers.ts';
import type { Relay } from '../rig/relay.ts';
import { commandOf, daemonOf } from './host-state.ts';
import type { FaultSite } from './site.ts';

/** A deploy under way, with its host program stopped at a moment. */
export interface Scene {
  fault: FaultSite;
  action: StartedAction;
  relay: Relay;
  program: number;
  /** Runs the action's post entry, as GitHub's runner does after the step. */
  post(main: ActionRun): Promise<ActionRun>;
}

export interface Fault {
  name: string;
  /** Breaks something while the program is stopped. */
  strike(scene: Scene): void;
  /** Sees the action to its end, once the program goes on; default: it ends by itself. */
  follow?(scene: Scene): Promise<void>;
  /** Only where PM2's own command runs. */
  client?: true;
  /** Needs a server whose disk can be filled. */
  disk?: true;
  /** Nobody tells the host, which waits for the end of the runner's lease where nothing was changed yet. */
  lease?: true;
  /** Where nobody ends the deploy in its own job, the app may be between two versions until the next one. */
  open?: true;
  /** Only at the moments of the bounded form. */
  few?: true;
  /** In the bounded form only at these moments, by what holds them. */
  bounded?: readonly string[];
  /** What the apps lose by it, whatever a deploy does. */
  costs?: string;
}

const wait = async ({ action }: Scene): Promise<void> => void (await action.done);
const thenPost = async ({ action, post }: Scene): Promise<void> => {
  const main = await action.done;
  await post(main);
};

export const FAULTS: readonly Fault[] = [
  {
    name: 'runner killed',
    strike: ({ action }) => action.process.kill('SIGKILL'),
    follow: thenPost,
  },
  {
    name: 'runner gone for good',
    strike: ({ action }) => action.process.kill('SIGKILL'),
    lease: true,
    few: true,
    // The lease is two minutes.
    bounded: ['build', 'activating: reload'],
  },
  {
    name: 'SIGINT',
    // As a cancelled job on GitHub: SIGTERM follows after 7.5 s, and SIGKILL after another 2.5 s.
    strike({ action }) {
      action.process.kill('SIGINT');
    },
    async follow(scene) {
      const { action } = scene;
      const ended = action.done.then(() => true);
      for (const [after, signal] of [
        [7_500, 'SIGTERM'],
        [2_500, 'SIGKILL'],
      ] as const) {
        if (await Promise.race([ended, pause(after, false, { ref: false })])) break;
        action.process.kill(signal);
      }
      await thenPost(scene);
    },
  },
  {
    name: 'SIGTERM',
    few: true,
    bounded: ['build', 'activating: reload'],
    strike: ({ action }) => action.process.kill('SIGTERM'),
    follow: thenPost,
  },
  { name: 'connection reset', strike: ({ relay }) => void relay.cut() },
  {
    name: 'connection silent',
    few: true,
    // It takes half a minute until the runner notices.
    bounded: ['build', 'activating: reload', 'rolling-back: reload'],
    strike({ relay }) {
      relay.swallow();
      relay.heal();
    },
  },
  {
    name: 'host program killed',
    strike: ({ program }) => process.kill(program, 'SIGKILL'),
    open: true,
  },
  {
    name: "PM2's command killed",
    strike({ fault }) {
      const client = clientOf(fault);
      if (client === null) throw new Error("PM2's command does not run");
      process.kill(client, 'SIGKILL');
    },
    client: true,
  },
  {
    name: "PM2's daemon killed",
    strike: ({ fault }) => process.kill(daemonOf(fault.site), 'SIGKILL'),
    costs:
      'its workers die with it, and the app is down until a PM2 runs it again: the rollback of this deploy, the next deploy, or `pm2 resurrect`.',
  },
  {
    name: 'disk full',
    strike: ({ fault }) => fault.disk?.fill(),
    disk: true,
    costs:
      "PM2's daemon dies of it where it starts an instance at that moment, and its workers with it; everywhere else nothing is lost.",
  },
  {
    name: 'no inodes',
    strike: ({ fault }) => fault.disk?.fillInodes(),
    disk: true,
    few: true,
    bounded: ['build', 'activating: in the swap'],
  },
];

/** Waits for the action, with the post step where GitHub would run one that has work to do. */
export const followOf = (fault: Fault): ((scene: Scene) => Promise<void>) => fault.follow ?? wait;

/** The pid of PM2's command, or null. */
export function clientOf({ site }: FaultSite): number | null {
  return processesOf(site.host.directory).find((pid) => commandOf(pid).includes(' startOrReload ')) ?? null;
}
