import type { Instance } from '../pm2/list.ts';
import { isWithin } from '../system/paths.ts';
import { endedWell, hasEnded, isJob, restartedOnPurpose, restartsByCron } from './job.ts';

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
  /** The absolute URL that must answer 2xx; null if nothing is requested. */
  healthUrl: string | null;
  /** Where the files of other versions lie, so that no process of this one may stand there; null if that tells nothing. */
  elsewhere: Elsewhere | null;
}

/** All in a directory, but what is in one of these. Absolute, real paths. */
export interface Elsewhere {
  directory: string;
  but: readonly string[];
}

/** What was seen at one moment. */
export interface Snapshot {
  /** Milliseconds since 1970. */
  at: number;
  /** Of the expected apps only. */
  instances: readonly Instance[];
  /** Start time of each living process, in ticks. */
  startTicks: ReadonlyMap<number, number>;
  /** Where each process of these instances and its descendants stand, by the pid of the instance. Empty if nobody has to know. */
  directories: ReadonlyMap<number, readonly string[]>;
  /** Children of PM2's daemon that it does not list. */
  orphans: readonly number[];
  /** Of the expected ports, those that accepted a connection. */
  accepting: ReadonlySet<number>;
  /** Errors that nothing caught, as sentences. Each is of a process of this version that still runs. */
  thrown: readonly string[];
  /** What is wrong with the health URL's answer. Null if it was good, or nothing was requested. */
  complaint: string | null;
}

/**
 * `pending` may still become healthy; `broken` will not, and a rollback need not wait. `planned` says that PM2 restarts the
 * app by its `cron_restart` at this moment: what was healthy before is not taken for broken.
 */
export type Verdict =
  | { kind: 'healthy' }
  | { kind: 'pending'; why: string; planned: boolean }
  | { kind: 'broken'; why: string };

const HEALTHY: Verdict = { kind: 'healthy' };
/** PM2's own default for the time in which a new instance listens, in milliseconds. */
const BOOTS_WITHIN = 3_000;

/**
 * Judges one snapshot by every rule of health. `since` is the first snapshot after the reload: from then on no
 * process may be replaced, and no restart counter may rise.
 */
export function judge(expected: Expected, now: Snapshot, since: Snapshot): Verdict {
  // An instance of another version may crash: its turn has not come.
  const ours = now.instances.filter(({ deployId }) => deployId === expected.deployId);
  const broken = firstOf(ours, failed) ?? firstOf(ours, (one) => changed(one, since));
  if (broken !== null) return { kind: 'broken', why: broken };
  const mute = silent(expected, now);
  const [thrown] = now.thrown;
  // A boot that ends in a rejection never listens, so there is no point in waiting.
  if (mute !== null && thrown !== undefined) return { kind: 'broken', why: `${thrown}, and ${mute}` };
  const pending =
    miscounted(expected, now) ??
    firstOf(now.instances, (one) => notReady(one, now)) ??
    firstOf(now.instances, (one) => otherVersion(one, expected, now)) ??
    firstOf(now.instances, (one) => astray(one, expected, now)) ??
    orphans(expected, now) ??
    mute ??
    now.complaint;
  if (pending === null) return HEALTHY;
  return { kind: 'pending', why: pending, planned: ours.some((one) => isInPlannedRestart(one, now.at)) };
}

/** The first snapshot, with each instance as it was after the last restart that was no crash, or will be after this one. */
export function afterPlannedRestarts(since: Snapshot, now: Snapshot): Snapshot {
  const instances = since.instances.map((then) => {
    const one = now.instances.find(({ pmId }) => pmId === then.pmId);
    if (one === undefined || !(then === one || restartedOnPurpose(then, one) || hasEnded(one))) return then;
    const planned = restartsByCron(one) || isJob(one);
    return planned && isBetween(one) ? { ...one, pid: 0, restartTime: one.restartTime + 1 } : one;
  });
  return { ...since, instances };
}

/**
 * What the counters of an instance are compared with while PM2 reloads: the instance as it was when it last ran another
 * version, or before the last restart that was no crash.
 */
export function baseInReload(base: Instance | undefined, one: Instance, deployId: string): Instance {
  if (one.deployId !== deployId) return one;
  const planned = restartsByCron(one) || isJob(one);
  // An instance that was not there before has not counted any restart yet.
  if (base === undefined) return { ...one, restartTime: planned ? one.restartTime - 1 : -1 };
  if (!restartedOnPurpose(base, one)) return base;
  return { ...one, restartTime: isBetween(one) ? one.restartTime : one.restartTime - 1 };
}

/** PM2 counts a restart, and starts the new process, only once the old one is gone. */
function isBetween(one: Instance): boolean {
  return ['stopping', 'stopped', 'waiting restart'].includes(one.status);
}

/** Whether PM2 restarts an instance by its clock now, or has just done so and it boots. */
export function isInPlannedRestart(one: Instance, at: number): boolean {
  if (!restartsByCron(one)) return false;
  return one.status !== 'online' || at - one.pmUptime < (one.listenTimeout ?? BOOTS_WITHIN);
}

/**
 * The first sign, while PM2 still reloads, that the new version fails; null while there is none.
 * `bases` are what the counters are compared with, from `baseInReload`.
 */
export function troubleInReload(
  deployId: string,
  now: readonly Instance[],
  bases: readonly Instance[],
): string | null {
  return firstOf(
    now.filter((one) => one.deployId === deployId),
    (one) => {
      // PM2 counts the reload itself as one restart.
      const allowed = (bases.find(({ pmId }) => pmId === one.pmId)?.restartTime ?? -1) + 1;
      return failed(one) ?? (one.restartTime > allowed ? `${nameOf(one)} crashed and was restarted` : null);
    },
  );
}

function failed(one: Instance): string | null {
  if (one.status === 'errored') return `${nameOf(one)} is errored`;
  if (isJob(one)) {
    const failed = hasEnded(one) && !endedWell(one);
    return failed ? `${nameOf(one)} ended with exit code ${one.exitCode}` : null;
  }
  // With `cron_restart`, PM2 goes through these in each restart.
  return ['stopped', 'waiting restart'].includes(one.status) && !restartsByCron(one)
    ? `${nameOf(one)} is ${one.status}`
    : null;
}

function changed(one: Instance, since: Snapshot): string | null {
  const then = since.instances.find(({ pmId }) => pmId === one.pmId);
  if (then === undefined || then.deployId !== one.deployId) return null;
  if (restartedOnPurpose(then, one) || endedWell(one)) return null;
  if (one.restartTime > then.restartTime)
    return `${nameOf(one)} crashed and was restarted (PM2 counted ${one.restartTime} restarts in all)`;
  return then.pid > 0 && one.pid !== then.pid
    ? `${nameOf(one)} was replaced: pid ${then.pid} became ${one.pid}`
    : null;
}

function miscounted(expected: Expected, now: Snapshot): string | null {
  for (const [name, count] of Object.entries(expected.instances)) {
    const found = now.instances.filter((one) => one.name === name).length;
    if (found !== count) return `'${name}' has ${found} instances instead of ${count}`;
  }
  return null;
}

function notReady(one: Instance, now: Snapshot): string | null {
  if (endedWell(one)) return null;
  if (one.status !== 'online') return `${nameOf(one)} is ${one.status}`;
  return one.pid > 0 && now.startTicks.has(one.pid) ? null : `${nameOf(one)} has no living process`;
}

function otherVersion(one: Instance, expected: Expected, now: Snapshot): string | null {
  if (one.deployId !== expected.deployId) return `${nameOf(one)} still runs another version`;
  // PM2 was given the deploy's id after the swap: a job that has ended had the new files.
  if (endedWell(one)) return null;
  const started = now.startTicks.get(one.pid) ?? 0;
  const tooOld = expected.after !== null && started <= expected.after;
  return tooOld ? `${nameOf(one)} was started before this version's files were in place` : null;
}

/** An app may go wherever it likes, but not into another version's files: it would run those, or read them. */
function astray(one: Instance, { elsewhere }: Expected, now: Snapshot): string | null {
  if (elsewhere === null) return null;
  const { directory, but } = elsewhere;
  const other = (now.directories.get(one.pid) ?? []).find(
    (path) => isWithin(directory, path) && !but.some((own) => isWithin(own, path)),
  );
  return other === undefined
    ? null
    : `${nameOf(one)} runs in ${other}, which is not the directory of this version`;
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
