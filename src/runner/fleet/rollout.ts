import { isCommitId } from '../../event-parser.ts';
import type { Mode, Word } from '../../protocol.ts';
import type { HostView, Stand } from './host-view.ts';

/** How many hosts go live at once after the first one. */
export type MaxParallel = { kind: 'hosts'; count: number } | { kind: 'percent'; percent: number };

/** What decides about a deploy to several hosts. */
export interface Rollout {
  /** In the order in which they were given. */
  hosts: readonly HostView[];
  mode: Mode;
  /** What was asked for; null where each host chooses. */
  ref: string | null;
  maxParallel: MaxParallel;
  /** What goes back when one host fails: all that this run has changed, or that host alone. */
  scope: 'fleet' | 'host';
  /** Why the job wants no more of it; null while it does. */
  cancelled: string | null;
  /** Whether it is taken up after its end: then nothing begins, and what has begun is ended as soon as can be. */
  isLate: boolean;
}

/** What is to be said to a host, by its place in the list. */
export interface Order {
  host: number;
  word: Word;
}

/** What is to be said now. Once it was said, and after each event, this is asked again. */
export function nextOrders(rollout: Rollout): Order[] {
  const { hosts, isLate } = rollout;
  const is = (...stands: Stand['at'][]): boolean => hosts.some(({ stand }) => stands.includes(stand.at));
  if (hosts.every(isOnNew)) return tell(rollout, ['verified'], () => ({ type: 'done' }));
  const reason = whyStopped(rollout);
  if (reason !== null || isLate) return stop(rollout, reason ?? 'its runner is gone');
  if (is('looking', 'locking')) return [];
  if (is('ready')) return lockNext(rollout);
  if (is('preparing', 'going', 'returning')) return [];
  return nextBatch(rollout);
}

/** Why nothing more goes live, as a sentence's end; null while all is well. */
export function whyStopped({ hosts, mode, ref, cancelled }: Rollout): string | null {
  if (cancelled !== null) return cancelled;
  for (const { label, stand } of hosts)
    if (stand.at === 'ended' && (stand.how === 'failed' || stand.how === 'lost'))
      return `${label} ${stand.why}`;
  if (hosts.some(({ stand }) => stand.at === 'looking')) return null;
  return whyRefused(hosts, mode, ref);
}

/** Whether the new version is there, verified, whatever becomes of it. */
function isOnNew({ stand }: HostView): boolean {
  return stand.at === 'verified' || stand.at === 'staying' || (stand.at === 'ended' && stand.how === 'good');
}

function whyRefused(hosts: readonly HostView[], mode: Mode, ref: string | null): string | null {
  const places = new Map<string, string>();
  for (const { label, readiness } of hosts) {
    if (readiness === null) continue;
    const twin = places.get(readiness.place);
    if (twin !== undefined)
      return `${twin} and ${label} are the same directory of the same machine; name it once`;
    places.set(readiness.place, label);
  }
  if (mode !== 'rollback' || ref !== null) return null;
  const targets = hosts.filter(({ readiness }) => readiness?.previous != null);
  const commits = new Set(targets.map(({ readiness }) => readiness?.previous));
  if (commits.size < 2) return null;
  const list = targets.map(({ label, readiness }) => `${label} to ${readiness?.previous}`).join(', ');
  return `the hosts would go back to different commits (${list}); name one with ref`;
}

/** One after the other, by an order that every run has alike: two runs that want the same hosts cannot block each other. */
function lockNext({ hosts, mode, ref }: Rollout): Order[] {
  const chosen =
    mode === 'rollback' && ref === null
      ? (hosts.find(({ readiness }) => readiness?.previous != null)?.readiness?.previous ?? null)
      : (hosts.find(({ target }) => target !== null)?.target ?? ref);
  // A branch may move meanwhile: the first host finds out what it stands for.
  const isOpen = chosen !== null && !isCommitId(chosen);
  if (isOpen && hosts.some(({ stand }) => stand.at === 'preparing')) return [];
  const [next] = hosts
    .map((view, host) => ({ host, view }))
    .filter(({ view }) => view.stand.at === 'ready')
    .sort((a, b) => compare(a.view.readiness?.place ?? '', b.view.readiness?.place ?? ''));
  return next === undefined ? [] : [{ host: next.host, word: { type: 'lock', ref: chosen } }];
}

/** One host alone to begin with, then as many as may go at once. */
function nextBatch({ hosts, maxParallel }: Rollout): Order[] {
  const waiting = inOrder(hosts).filter((host) => hosts[host]?.stand.at === 'prepared');
  const isFirst = !hosts.some(({ went }) => went);
  return waiting
    .slice(0, isFirst ? 1 : sizeOf(maxParallel, hosts.length))
    .map((host) => ({ host, word: { type: 'go', migrate: isFirst } }));
}

/** What has not begun is given up. Once the others have settled, what this run has changed goes back, or stays. */
function stop(rollout: Rollout, reason: string): Order[] {
  const { hosts, scope, cancelled, isLate, maxParallel } = rollout;
  const roll: Word = { type: 'roll-back', reason: `All hosts go back together, because ${reason}.` };
  const end: Word = scope === 'host' ? { type: 'done' } : roll;
  // There are seconds left: what goes live now hears at once what is to become of it.
  if (cancelled !== null && !isLate)
    return [
      ...tell(rollout, EARLY, () => ({ type: 'cancel', reason })),
      ...tell(rollout, scope === 'host' ? ['verified'] : ['verified', 'going'], () => end),
    ];
  const looks = hosts.some(({ stand }) => stand.at === 'looking');
  // All hosts are looked at first, so that one job shows what is wrong with each of them.
  const given = looks || isLate ? [] : tell(rollout, EARLY, () => ({ type: 'cancel', reason }));
  const unsettled = hosts.some(
    ({ stand }) =>
      ['looking', 'going'].includes(stand.at) ||
      (stand.at === 'returning' && !stand.told) ||
      (isLate && EARLY.includes(stand.at)),
  );
  if (unsettled) return given;
  if (scope === 'host' || isLate) return [...given, ...tell(rollout, ['verified'], () => end)];
  const underWay = hosts.filter(({ stand }) => stand.at === 'returning').length;
  const back = inOrder(hosts)
    .reverse()
    .filter((host) => hosts[host]?.stand.at === 'verified')
    .slice(0, Math.max(0, sizeOf(maxParallel, hosts.length) - underWay));
  return [...given, ...back.map((host) => ({ host, word: end }))];
}

const EARLY: readonly Stand['at'][] = ['ready', 'locking', 'preparing', 'prepared'];

function tell({ hosts }: Rollout, stands: readonly Stand['at'][], word: () => Word): Order[] {
  return hosts.flatMap(({ stand }, host) => (stands.includes(stand.at) ? [{ host, word: word() }] : []));
}

/** Hosts that are not well go first: they cannot become worse. */
function inOrder(hosts: readonly HostView[]): number[] {
  const isWell = (host: number): number => Number(hosts[host]?.readiness?.healthy ?? true);
  return hosts.map((_, host) => host).sort((a, b) => isWell(a) - isWell(b) || a - b);
}

function sizeOf(most: MaxParallel, hosts: number): number {
  return most.kind === 'hosts' ? most.count : Math.max(1, Math.floor((hosts * most.percent) / 100));
}

function compare(a: string, b: string): number {
  return a < b ? -1 : Number(a > b);
}
