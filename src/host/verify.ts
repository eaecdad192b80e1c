import { setTimeout as sleep } from 'node:timers/promises';
import type { CommandResult } from './command.ts';
import { DeployFailure } from './failure.ts';
import { type Expected, judge, type Snapshot, troubleInReload, type Verdict } from './health.ts';
import { complaintAbout } from './health-url.ts';
import { accepts, listeningAddresses } from './listening.ts';
import type { Reload } from './pm2/cli.ts';
import type { Instance } from './pm2/list.ts';
import type { Pm2 } from './pm2/session.ts';
import { childrenOf, startTicks } from './processes.ts';

const POLL_EVERY = 200;
/** On this host itself: slower is not healthy. */
const ACCEPTS_WITHIN = 2_000;
const POLL_RELOAD_EVERY = 100;

const QUIET_POLLS = 3;
/** An app that was healthy and is not any more gets this long for a hiccup, in milliseconds. */
const STAYS_BAD = 5_000;

/** Looks at everything that health depends on, once. */
export async function observe(
  pm2: Pm2,
  { instances, ports, healthUrl }: Pick<Expected, 'instances' | 'ports' | 'healthUrl'>,
): Promise<Snapshot> {
  const asked = healthUrl ? complaintAbout(healthUrl) : null;
  const [all, accepting, complaint] = await Promise.all([pm2.list(), acceptingPorts(ports), asked]);
  const started = new Map<number, number>();
  for (const { pid } of all) {
    const ticks = pid > 0 ? startTicks(pid) : null;
    if (ticks !== null) started.set(pid, ticks);
  }
  return {
    instances: all.filter((one) => instances[one.name] !== undefined),
    startTicks: started,
    strays: straysOf(pm2, all),
    accepting,
    complaint,
  };
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

/** Children of the daemon that its list does not show. */
export function straysOf(pm2: Pm2, all: readonly Instance[]): number[] {
  const daemon = pm2.daemonPid();
  const listed = new Set(all.map(({ pid }) => pid));
  return daemon === null ? [] : childrenOf(daemon).filter((pid) => !listed.has(pid));
}

/**
 * Resolves once everything expected held for `stableFor` milliseconds without a break; rejects as `untilStable` does.
 */
export async function verify(pm2: Pm2, expected: Expected, limits: HealthLimits): Promise<void> {
  const since = await observe(pm2, expected);
  await untilStable(async () => judge(expected, await observe(pm2, expected), since), limits);
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
  cancelled: AbortSignal | null = null,
): Promise<void> {
  const deadline = performance.now() + healthTimeout;
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
      healthySince = null;
      if (turnedBad !== null && at - turnedBad >= STAYS_BAD) {
        throw new DeployFailure(
          `It was healthy, and for ${STAYS_BAD / 1000} s now it is not: ${verdict.why}.`,
        );
      }
      if (at >= deadline) {
        throw new DeployFailure(
          `Not healthy within ${Math.round(healthTimeout / 1000)} s (health-timeout): ${verdict.why}.`,
        );
      }
    }
    const left = healthySince === null ? POLL_EVERY : stableFor - (at - healthySince);
    await sleep(Math.min(POLL_EVERY, left), undefined, cancelled === null ? {} : { signal: cancelled }).catch(
      () => {},
    );
  }
}

/**
 * Watches a reload until PM2's command ends, and stops it at the first sign that the new version fails, while
 * later instances still run the old one. Resolves with that sign, or null where there was none.
 */
export async function watchReload(
  pm2: Pm2,
  reload: Reload,
  deployId: string,
  before: readonly Instance[],
): Promise<string | null> {
  let running = true;
  const ended = reload.done.finally(() => {
    running = false;
  });
  // It may fail while the list is asked for, and nobody waits for it then.
  ended.catch(() => {});
  let trouble: string | null = null;
  // An old version that crashes until its turn comes is no fault of the new one.
  const lastOther = new Map(before.map((one) => [one.pmId, one]));
  try {
    while (running && trouble === null) {
      const now = await pm2.list();
      for (const one of now) if (one.deployId !== deployId) lastOther.set(one.pmId, one);
      trouble = troubleInReload(deployId, now, [...lastOther.values()]);
      if (trouble === null) await Promise.race([ended, sleep(POLL_RELOAD_EVERY)]);
    }
  } catch (error) {
    reload.abort();
    await ended.catch(() => {});
    throw error;
  }
  if (trouble !== null) reload.abort();
  const result = await ended;
  if (trouble !== null) return trouble;
  if (result.code !== 0) throw reloadFailure(result);
  return null;
}

/**
 * Waits for the end of a reload that is not judged. Rejects where PM2's daemon goes away or is silent: its command, which
 * would wait for it as long as its time limit lets it, is stopped then.
 */
export async function awaitReload(pm2: Pm2, reload: Reload): Promise<CommandResult> {
  let running = true;
  const ended = reload.done.finally(() => {
    running = false;
  });
  ended.catch(() => {});
  try {
    while (running) {
      await Promise.race([ended, sleep(POLL_EVERY)]);
      if (running) await pm2.list();
    }
  } catch (error) {
    reload.abort();
    await ended.catch(() => {});
    throw error;
  }
  return ended;
}

/** PM2's command ends with 0 even where apps fail: any other end means that it did not do its work at all. */
export function reloadFailure(result: CommandResult): DeployFailure {
  const how =
    result.stopped !== null
      ? 'did not end in time and was stopped'
      : `ended with ${result.code === null ? result.signal : `exit code ${result.code}`}`;
  return new DeployFailure(`PM2's command ${how}.`, { output: result.tail });
}

/**
 * Resolves when PM2's daemon has no worker that it does not list and, after a stopped reload, has had the time to
 * end what it had begun: a reload that starts earlier is refused by PM2 7 and leaves an orphan with PM2 5 and 6.
 */
export async function quiet(
  pm2: Pm2,
  knownStrays: readonly number[],
  atLeast: number,
  atMost: number,
): Promise<void> {
  const started = performance.now();
  for (let calm = 0; ; await sleep(POLL_EVERY)) {
    const strays = straysOf(pm2, await pm2.list()).filter((pid) => !knownStrays.includes(pid));
    calm = strays.length === 0 ? calm + 1 : 0;
    const waited = performance.now() - started;
    if ((calm >= QUIET_POLLS && waited >= atLeast) || waited >= atLeast + atMost) return;
  }
}

function sentence(text: string): string {
  return text.charAt(0).toUpperCase() + text.slice(1);
}
