import { setMaxListeners } from 'node:events';
import type { HostResult } from '../../protocol.ts';
import { complaintAbout } from './health-request.ts';

export type Requests = NonNullable<HostResult['requests']>;

export interface Probe {
  /** Ends it and tells what was counted; what is still unanswered is given up and does not count. Can be called again. */
  stop(): Requests | null;
}

/** Milliseconds. */
const EVERY = 100;
/** A site that hangs is not to be buried under requests. */
const MOST_AT_ONCE = 10;

/**
 * Requests the app's health URL again and again until it is stopped, each time over a new connection, as a visitor
 * would. With two URLs, since the app's port changes with this deploy, a good answer of either one counts; without any,
 * nothing is done.
 */
export function startProbe(urls: readonly string[]): Probe {
  if (urls.length === 0) return { stop: () => null };
  const asked: Asked[] = [];
  const abort = new AbortController();
  setMaxListeners(0, abort.signal);
  let underWay = 0;
  let counted: Requests | null = null;

  const ask = async (): Promise<void> => {
    if (underWay >= MOST_AT_ONCE) return;
    underWay += 1;
    const at = performance.now();
    const complaints = await Promise.all(
      urls.map((url) => complaintAbout(url, { cancel: abort.signal }).catch(String)),
    );
    underWay -= 1;
    if (counted === null) asked.push({ at, good: complaints.includes(null) });
  };
  const timer = setInterval(() => void ask(), EVERY);
  timer.unref();
  void ask();

  return {
    stop() {
      if (counted !== null) return counted;
      clearInterval(timer);
      counted = countRequests(asked, performance.now());
      abort.abort();
      return counted;
    },
  };
}

/** When a request was sent, in milliseconds, and whether its answer was a good one. */
export interface Asked {
  at: number;
  good: boolean;
}

/** Each stretch of failures counts from its first request to the next good one, or to the `end`; by when they were sent. */
export function countRequests(asked: readonly Asked[], end: number): Requests {
  let downtime = 0;
  let downSince: number | null = null;
  for (const { at, good } of [...asked].sort((a, b) => a.at - b.at)) {
    if (!good) downSince ??= at;
    else if (downSince !== null) {
      downtime += at - downSince;
      downSince = null;
    }
  }
  if (downSince !== null) downtime += end - downSince;
  const failed = asked.filter(({ good }) => !good).length;
  return { sent: asked.length, failed, downtimeMs: Math.round(downtime) };
}
