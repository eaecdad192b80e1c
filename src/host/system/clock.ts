import { ACCOUNTS, type Account } from '../../protocol.ts';

/** Milliseconds so far, by what they were spent on. */
export type Spent = Record<Account, number>;

export interface Clock {
  readonly spent: Spent;
  /** Books the time that `work` takes. Works that overlap in one account count once. */
  book<T>(account: Account, work: () => Promise<T>): Promise<T>;
}

export function createClock(now: () => number = () => performance.now()): Clock {
  const spent = Object.fromEntries(ACCOUNTS.map((account) => [account, 0])) as Spent;
  const active = new Map<Account, { count: number; since: number }>();
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
