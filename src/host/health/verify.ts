import { setTimeout as sleep } from 'node:timers/promises';
import type { Instance } from '../pm2/list.ts';
import type { Pm2 } from '../pm2/session.ts';
import { DeployFailure } from '../system/failure.ts';
import { childrenOf, descendantsOf, directoryOf, environmentOf, startTicks } from '../system/processes.ts';
import { afterPlannedRestarts, type Expected, judge, type Snapshot, type Verdict } from './health.ts';
import { complaintAbout } from './health-request.ts';
import type { Listener } from './last-words.ts';
import { accepts, listeningAddresses } from './listening.ts';

const POLL_EVERY = 200;
/** As long as it is not healthy: the deploy goes on within 150 ms after an instance says that it is ready. */
const LOOK_EVERY = 100;
/** Who waits hears how far it is, in milliseconds. */
const TELL_EVERY = 5_000;
/** On the host itself a slower answer is not healthy. In milliseconds. */
const ACCEPTS_WITHIN = 2_000;
/** How long an app that was healthy may be unhealthy, in milliseconds. */
const STAYS_BAD = 5_000;

/** Looks at everything that health depends on, once. */
export async function observe(
  pm2: Pm2,
  {
    instances,
    ports,
    healthUrl,
    elsewhere,
  }: Pick<Expected, 'instances' | 'ports' | 'healthUrl' | 'elsewhere'>,
  thrown: readonly string[] = [],
): Promise<Snapshot> {
  const asked = healthUrl ? complaintAbout(healthUrl) : null;
  const [all, accepting, complaint] = await Promise.all([pm2.list(), acceptingPorts(ports), asked]);
  const started = new Map<number, number>();
  for (const { pid } of all) {
    const ticks = pid > 0 ? startTicks(pid) : null;
    if (ticks !== null) started.set(pid, ticks);
  }
  const own = all.filter((one) => instances[one.name] !== undefined);
  return {
    at: Date.now(),
    instances: own,
    startTicks: started,
    directories: elsewhere === null ? new Map() : directoriesOf(own),
    orphans: orphansOf(pm2, all),
    accepting,
    thrown,
    complaint,
  };
}

/** Where these and what they have started stand: npm and bash start the app as a process of its own. */
export function directoriesOf(instances: readonly Pick<Instance, 'pid'>[]): Map<number, string[]> {
  const running = instances.filter(({ pid }) => pid > 0);
  return new Map(running.map(({ pid }) => [pid, [pid, ...descendantsOf(pid)].map(directoryOf)]));
}

/** Of these ports, those that take a connection at an address of this host. */
export async function acceptingPorts(ports: readonly number[]): Promise<Set<number>> {
  const accepting = await Promise.all(
    ports.map(async (port) => (await accepts(port, '::', ACCEPTS_WITHIN)) || acceptsElsewhere(port)),
  );
  return new Set(ports.filter((_, index) => accepting[index]));
}

/** An app may listen on one address alone, which is not loopback. */
async function acceptsElsewhere(port: number): Promise<boolean> {
  const addresses = listeningAddresses(port);
  const accepting = await Promise.all(addresses.map((address) => accepts(port, address, ACCEPTS_WITHIN)));
  return accepting.includes(true);
}

/**
 * Workers that the daemon has started and does not list. Not each child of it is one: PM2 7 runs `df` every 30 s, and in
 * a container the daemon may be the first process, which becomes the parent of all that lose theirs.
 */
export function orphansOf(
  { daemonPid }: Pick<Pm2, 'daemonPid'>,
  all: readonly Pick<Instance, 'pid'>[],
): number[] {
  const daemon = daemonPid();
  if (daemon === null) return [];
  const listed = new Set(all.map(({ pid }) => pid));
  return childrenOf(daemon).filter((pid) => !listed.has(pid) && isWorker(pid));
}

/** Whether PM2 started the process as an app, by the variables that it gives one in fork mode, or in cluster mode. */
function isWorker(pid: number): boolean {
  const variables = environmentOf(pid);
  return variables.has('pm_id') || variables.has('pm2_env');
}

/**
 * Resolves once everything expected held for `stableFor` milliseconds without a break; rejects as `untilStable` does.
 * `listener` has heard the apps since before they were started.
 */
export async function verify(
  pm2: Pm2,
  expected: Expected,
  limits: HealthLimits,
  { listener = null, tell = () => {} }: Watch = {},
): Promise<void> {
  const first = await observe(pm2, expected);
  let since = afterPlannedRestarts(first, first);
  await untilStable(
    async () => {
      const now = await observe(pm2, expected, listener?.thrown(expected.deployId));
      const verdict = judge(expected, now, since);
      since = afterPlannedRestarts(since, now);
      return verdict;
    },
    limits,
    { tell },
  );
}

/** What a verification hears of beside what it looks at, and who is told how far it is. */
export interface Watch {
  listener?: Pick<Listener, 'thrown'> | null;
  tell?: (progress: string) => void;
}

/** Who may end a wait, and who is told how far it is, every so many milliseconds. */
interface Waiting {
  cancelled?: AbortSignal | null;
  tell?: (progress: string) => void;
  every?: number;
}

/** Milliseconds, both. */
export interface HealthLimits {
  healthTimeout: number;
  stableFor: number;
}

/**
 * Resolves once `look` said `healthy` for `stableFor` milliseconds without a break. Rejects with a `DeployFailure` at the
 * first thing that cannot heal, where health was there and stays away, when `healthTimeout` milliseconds pass before such
 * a time begins, and with its reason when `cancelled`.
 */
export async function untilStable(
  look: () => Promise<Verdict>,
  { healthTimeout, stableFor }: HealthLimits,
  { cancelled = null, tell = () => {}, every = TELL_EVERY }: Waiting = {},
): Promise<void> {
  const deadline = performance.now() + healthTimeout;
  let told = performance.now();
  let healthySince: number | null = null;
  let turnedBad: number | null = null;
  for (;;) {
    const verdict = await look();
    if (cancelled?.aborted) throw cancelled.reason;
    const at = performance.now();
    if (verdict.kind === 'healthy') {
      turnedBad = null;
      healthySince ??= at;
      if (at - healthySince >= stableFor) return;
    } else {
      if (verdict.kind === 'broken') throw new DeployFailure(`${sentence(verdict.why)}.`);
      if (healthySince !== null) turnedBad ??= at;
      // A restart by a clock is no break, unless it does not come to its end.
      if (!verdict.planned) healthySince = null;
      if (turnedBad !== null && at - turnedBad >= STAYS_BAD) {
        throw new DeployFailure(`It was healthy, then unhealthy for ${STAYS_BAD / 1000} s: ${verdict.why}.`);
      }
      if (healthySince === null && at >= deadline) {
        throw new DeployFailure(
          `Not healthy within ${Math.round(healthTimeout / 1000)} s (health-timeout): ${verdict.why}.`,
        );
      }
    }
    if (at - told >= every) {
      told = at;
      tell(progressOf(verdict, at - (healthySince ?? at), stableFor));
    }
    const wait = healthySince === null ? LOOK_EVERY : Math.min(POLL_EVERY, stableFor - (at - healthySince));
    await sleep(wait, undefined, cancelled === null ? {} : { signal: cancelled }).catch(() => {});
  }
}

/** How far a wait for health is, in a few words. */
export function progressOf(verdict: Verdict, healthyFor: number, stableFor: number): string {
  if (verdict.kind !== 'healthy') return `not healthy yet: ${verdict.why}`;
  return `${Math.round(healthyFor / 1000)} of ${Math.round(stableFor / 1000)} s healthy`;
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
