import type { HostResult } from '../../protocol.ts';

/** Milliseconds so far, by what they were spent on. */
export type Spent = HostResult['spent'];

export interface Clock {
  readonly spent: Spent;
  /** Books the time that `work` takes. Works that overlap in one account count once. */
  book<T>(account: keyof Spent, work: () => Promise<T>): Promise<T>;
}

export function createClock(now: () => number = () => performance.now()): Clock {
  const spent: Spent = { lock: 0, git: 0, install: 0, build: 0, canary: 0, pm2: 0, verify: 0 };
  const active = new Map<keyof Spent, { count: number; since: number }>();
  return {
    spent,
    async book(account, work) {
      const running = active.get(account) ?? { count: 0, since: now() };
      running.count += 1;
      active.set(account, running);
      try {
        return await work();
      } finally {
        running.count -= 1;
        if (running.count === 0) {
          spent[account] += now() - running.since;
          active.delete(account);
        }
      }
    },
  };
}
