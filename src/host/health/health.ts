import type { Instance } from '../pm2/list.ts';

/** What must run for a version to count as healthy. */
export interface Expected {
  /** The value of PM2_SSH_DEPLOY_ID that each process must carry. */
  deployId: string;
  /** Instances by app name. */
  instances: Readonly<Record<string, number>>;
  /** Ports that must accept connections. */
  ports: readonly number[];
  /** Start time, in the kernel's ticks, after which every process of this version began; null after a reboot. */
  after: number | null;
  /** Children of PM2's daemon that it did not list before the deploy either. */
  knownOrphans: readonly number[];
  /** What must answer 2xx, absolute; null where nothing is requested. */
  healthUrl: string | null;
}

/** What was seen at one moment. */
export interface Snapshot {
  /** Of the expected apps only. */
  instances: readonly Instance[];
  /** Start time of each living process, in ticks. */
  startTicks: ReadonlyMap<number, number>;
  /** Children of PM2's daemon that it does not list. */
  orphans: readonly number[];
  /** Of the expected ports, those that accepted a connection. */
  accepting: ReadonlySet<number>;
  /** What is wrong with the health URL's answer; null where it was good, or none was asked for. */
  complaint: string | null;
}

/** `pending` may still become healthy; `broken` will not, and a rollback need not wait. */
export type Verdict =
  | { kind: 'healthy' }
  | { kind: 'pending'; why: string }
  | { kind: 'broken'; why: string };

const HEALTHY: Verdict = { kind: 'healthy' };

/**
 * Judges one snapshot by every rule of health. `since` is the first snapshot after the reload: from then on no
 * process may be replaced and no restart counter may move.
 */
export function judge(expected: Expected, now: Snapshot, since: Snapshot): Verdict {
  // What still runs another version may crash as it likes: its turn has not come.
  const ours = now.instances.filter(({ deployId }) => deployId === expected.deployId);
  const broken = firstOf(ours, failed) ?? firstOf(ours, (one) => changed(one, since));
  if (broken !== null) return { kind: 'broken', why: broken };
  const pending =
    miscounted(expected, now) ??
    firstOf(now.instances, (one) => notReady(one, now)) ??
    firstOf(now.instances, (one) => otherVersion(one, expected, now)) ??
    orphans(expected, now) ??
    silent(expected, now) ??
    now.complaint;
  return pending === null ? HEALTHY : { kind: 'pending', why: pending };
}

/**
 * The first sign, while PM2 still reloads, that the new version fails; null while there is none.
 * `before` are the instances as they were when they last ran another version.
 */
export function troubleInReload(
  deployId: string,
  now: readonly Instance[],
  before: readonly Instance[],
): string | null {
  return firstOf(
    now.filter((one) => one.deployId === deployId),
    (one) => {
      // PM2 counts the reload itself as one restart.
      const allowed = (before.find(({ pmId }) => pmId === one.pmId)?.restartTime ?? -1) + 1;
      return failed(one) ?? (one.restartTime > allowed ? `${nameOf(one)} crashed and was restarted` : null);
    },
  );
}

function failed(one: Instance): string | null {
  return ['errored', 'stopped', 'stopping', 'waiting restart'].includes(one.status)
    ? `${nameOf(one)} is ${one.status}`
    : null;
}

function changed(one: Instance, since: Snapshot): string | null {
  const then = since.instances.find(({ pmId }) => pmId === one.pmId);
  if (then === undefined || then.deployId !== one.deployId) return null;
  if (one.restartTime > then.restartTime)
    return `${nameOf(one)} crashed and was restarted (PM2 counts ${one.restartTime} restarts of it)`;
  return one.pid !== then.pid ? `${nameOf(one)} was replaced: pid ${then.pid} became ${one.pid}` : null;
}

function miscounted(expected: Expected, now: Snapshot): string | null {
  for (const [name, count] of Object.entries(expected.instances)) {
    const found = now.instances.filter((one) => one.name === name).length;
    if (found !== count) return `'${name}' has ${found} instances instead of ${count}`;
  }
  return null;
}

function notReady(one: Instance, now: Snapshot): string | null {
  if (one.status !== 'online') return `${nameOf(one)} is ${one.status}`;
  return one.pid > 0 && now.startTicks.has(one.pid) ? null : `${nameOf(one)} has no living process`;
}

function otherVersion(one: Instance, expected: Expected, now: Snapshot): string | null {
  if (one.deployId !== expected.deployId) return `${nameOf(one)} still runs another version`;
  const started = now.startTicks.get(one.pid) ?? 0;
  const tooOld = expected.after !== null && started <= expected.after;
  return tooOld ? `${nameOf(one)} was started before this version's files were in place` : null;
}

function orphans(expected: Expected, now: Snapshot): string | null {
  const found = now.orphans.filter((pid) => !expected.knownOrphans.includes(pid));
  return found.length > 0
    ? `PM2's daemon has processes that it does not list: pid ${found.join(', ')}`
    : null;
}

function silent(expected: Expected, now: Snapshot): string | null {
  const missing = expected.ports.filter((port) => !now.accepting.has(port));
  return missing.length > 0 ? `nothing accepts connections on port ${missing.join(', ')}` : null;
}

function nameOf(one: Instance): string {
  return `'${one.name}' (pm2 id ${one.pmId})`;
}

function firstOf<T>(items: readonly T[], find: (item: T) => string | null): string | null {
  for (const item of items) {
    const found = find(item);
    if (found !== null) return found;
  }
  return null;
}
