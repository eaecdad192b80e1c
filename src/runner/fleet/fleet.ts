import { commitsOf, mixText } from '../../mix.ts';
import type { HostResult } from '../../protocol.ts';
import { type HostSession, type HostTask, hostSession, type Orders } from '../session/host-session.ts';
import { type HostWords, startWords } from '../session/host-words.ts';
import { ended, type HostView, heard, lost, newView, told } from './host-view.ts';
import { nextOrders, type Order, type Rollout, whyStopped } from './rollout.ts';
import { startTurns, type Turns } from './turns.ts';

/** What a deploy to several hosts is told, beside what each host is. */
export interface FleetOrders extends Pick<Rollout, 'mode' | 'ref' | 'maxParallel' | 'scope'> {
  /** Says a line about all hosts. */
  say(text: string): void;
  /** Aborted where the deploy is to be given up; its reason is a text. */
  cancelled: AbortSignal;
}

/**
 * What became of one host. `followed`: it gave up, or went back, because it was told. `absent`: its deploy never began, and
 * never will.
 */
export type HostEnd =
  | { kind: 'result'; result: HostResult; followed: boolean }
  | { kind: 'absent' }
  | { kind: 'error'; error: unknown };

export interface FleetEnd {
  /** In the order of the tasks. */
  hosts: HostEnd[];
  /** Why not all of it went live, as a sentence's end; null if it did. */
  stopped: string | null;
}

/** How one host's session is driven. */
type Drive = (session: HostSession, words: HostWords) => Promise<HostResult | null>;

/**
 * Hosts that are begun with at the same time: an sshd, such as a bastion before all of them, turns away more than 10
 * connections without a login (MaxStartups), and each host gets the whole host program.
 */
const BEGUN_AT_ONCE = 5;

/** Carries out one deploy on several hosts, which ends on one version where that is possible. Never rejects. */
export function deployToFleet(
  tasks: readonly HostTask[],
  orders: FleetOrders & Pick<Orders, 'program'>,
): Promise<FleetEnd> {
  const { program, cancelled } = orders;
  return conduct(tasks, { ...orders, isLate: false }, (session, words) =>
    session.carryOut({ program, mayGo: NEVER, words, cancelled }),
  );
}

/** Sees to a deploy whose runner is gone: cancels what has not begun, and ends the rest on one version. Never rejects. */
export function followUpFleet(
  tasks: readonly HostTask[],
  orders: FleetOrders & { reason: string; within: number },
): Promise<FleetEnd> {
  const { reason, within } = orders;
  return conduct(tasks, { ...orders, isLate: true }, (session, words) =>
    session.followUp({ reason, within, reachWithin: within / REACH_PART, words }),
  );
}

/** Looks at several hosts, each for itself. Never rejects. */
export async function lookAtFleet(
  tasks: readonly HostTask[],
  { program, cancelled }: Pick<Orders, 'program' | 'cancelled'>,
): Promise<FleetEnd> {
  const turns = startTurns(BEGUN_AT_ONCE);
  const looks = tasks.map((task) =>
    inTurn(turns, task, (inTurnTask) =>
      hostSession(inTurnTask).carryOut({ program, mayGo: NEVER, cancelled }),
    ),
  );
  return { hosts: await Promise.all(looks), stopped: null };
}

/** Hosts that wait for a word cannot wait for one that is not reached until all of the time is over. */
const REACH_PART = 4;

/** No host decides for itself. */
const NEVER = (): Promise<never> => new Promise(() => {});

async function conduct(
  tasks: readonly HostTask[],
  orders: FleetOrders & { isLate: boolean },
  drive: Drive,
): Promise<FleetEnd> {
  const { cancelled, say } = orders;
  const turns = startTurns(BEGUN_AT_ONCE);
  const words = tasks.map(() => startWords());
  let views = tasks.map(({ destination }) => newView(destination.label));
  let isMixTold = orders.isLate;
  const rollout = (): Rollout => ({
    ...orders,
    hosts: views,
    cancelled: cancelled.aborted ? String(cancelled.reason) : null,
  });
  const change = (host: number, to: (view: HostView) => HostView): void => {
    views = views.map((view, at) => (at === host ? to(view) : view));
  };
  const decide = (): void => {
    for (let next = nextOrders(rollout()); next.length > 0; next = nextOrders(rollout())) {
      if (!isMixTold) {
        isMixTold = true;
        tellMix(rollout(), say);
      }
      for (const { host, word } of next) change(host, (view) => told(view, word));
      for (const text of aboutOrders(next, views)) say(text);
      for (const { host, word } of next) words[host]?.say(word);
    }
  };

  cancelled.addEventListener('abort', decide);
  const hosts = await Promise.all(
    tasks.map(async (task, host) => {
      const event: HostTask['log']['event'] = (happened) => {
        task.log.event(happened);
        if (happened.type === 'output' || happened.type === 'notice') return;
        change(host, (view) => heard(view, happened));
        decide();
      };
      const end = await inTurn(turns, { ...task, log: { ...task.log, event } }, (inTurnTask) =>
        drive(hostSession(inTurnTask), words[host] ?? startWords()),
      );
      change(host, (view) => (end.kind === 'result' ? ended(view, end.result) : lost(view, end.kind)));
      decide();
      const stand = views[host]?.stand;
      return end.kind === 'result'
        ? { ...end, followed: stand?.at === 'ended' && stand.how === 'told' }
        : end;
    }),
  );
  cancelled.removeEventListener('abort', decide);
  return { hosts, stopped: whyStopped(rollout()) };
}

/** Begins with a host when its turn has come. The turn ends with the first event from there. */
async function inTurn(
  turns: Turns,
  task: HostTask,
  work: (task: HostTask) => Promise<HostResult | null>,
): Promise<HostEnd> {
  const endTurn = await turns.take();
  const event: HostTask['log']['event'] = (happened) => {
    endTurn();
    task.log.event(happened);
  };
  try {
    const result = await work({ ...task, log: { ...task.log, event } });
    return result === null ? { kind: 'absent' } : { kind: 'result', result, followed: false };
  } catch (error) {
    return { kind: 'error', error };
  } finally {
    endTurn();
  }
}

function tellMix({ hosts }: Rollout, say: (text: string) => void): void {
  const commits = commitsOf(
    hosts.flatMap(({ label, readiness }) => (readiness?.sha == null ? [] : [{ label, sha: readiness.sha }])),
  );
  if (commits.length < 2) return;
  const short = commits.map(({ sha, labels }) => ({ sha: sha.slice(0, 7), labels }));
  say(`The hosts do not have the same commit now: ${mixText(short)}. This run is to end that.`);
}

/** What is said to hosts, for the log. */
function aboutOrders(orders: readonly Order[], hosts: readonly HostView[]): string[] {
  const of = (type: Order['word']['type']): string =>
    orders
      .filter(({ word }) => word.type === type)
      .map(({ host }) => hosts[host]?.label)
      .join(', ');
  const [going, staying, returning, leaving] = [of('go'), of('done'), of('roll-back'), of('cancel')];
  return [
    going && `Going live on ${going}.`,
    staying && `The new version stays on ${staying}.`,
    returning && `Going back on ${returning}.`,
    leaving && `Giving up on ${leaving}, where nothing was changed.`,
  ].filter((text) => text !== '');
}
