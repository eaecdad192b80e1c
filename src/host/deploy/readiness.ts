import { createHash } from 'node:crypto';
import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import type { Readiness } from '../../protocol.ts';
import type { Context } from '../context.ts';
import { isCheckout } from '../git/checkout.ts';
import { complaintAboutLive } from '../health/live-health.ts';
import { loadCurrent } from '../state/current.ts';
import { exists } from '../system/paths.ts';
import { bootId } from '../system/processes.ts';
import { readLiveHead } from './live.ts';
import { previousVersion } from './target.ts';

/** Looks at the host before it is locked. Changes nothing. */
export async function readinessOf(context: Context): Promise<Readiness> {
  const { places, plan } = context;
  const sha = isCheckout(places.top) ? (await readLiveHead(context)).sha : null;
  return {
    place: placeOf(places.top),
    sha,
    healthy: await isHealthy(context),
    previous: plan.mode === 'rollback' && plan.ref === null ? previousOf(context, sha) : null,
  };
}

/**
 * The same for every name, address and link that leads to this directory, and for every user. A machine's id would not do:
 * cloned machines share it, and the numbers of their files too.
 */
function placeOf(live: string): string {
  const there = exists(live) ? live : dirname(live);
  const { dev, ino } = statSync(exists(there) ? there : '/');
  const place = [bootId(), dev, ino, exists(live) ? '' : live];
  return createHash('sha256').update(JSON.stringify(place)).digest('hex');
}

/** What cannot be read or asked counts as unhealthy: that host goes first. */
async function isHealthy(context: Context): Promise<boolean> {
  try {
    const current = loadCurrent(context.places.state);
    return current === null || (await complaintAboutLive(context, current)) === null;
  } catch {
    return false;
  }
}

function previousOf({ journal }: Context, sha: string | null): string | null {
  try {
    return previousVersion(journal.entries(), sha).sha;
  } catch {
    // The deploy itself says why there is none.
    return null;
  }
}
