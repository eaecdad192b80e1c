import { LEASE } from '../../protocol.ts';

/** How long the host goes on hearing nothing from its runner. Only bytes from the runner renew it. */
export interface Lease {
  renew(): void;
  hasEnded(): boolean;
}

/** `limit` and the clock `now` are in milliseconds. */
export function startLease(limit: number = LEASE, now: () => number = () => performance.now()): Lease {
  let heard = now();
  return {
    renew() {
      heard = now();
    },
    hasEnded: () => now() - heard > limit,
  };
}
