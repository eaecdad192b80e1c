import { existsSync, readdirSync } from 'node:fs';
import path from 'node:path';
import { openJournal } from '../../src/host/state/journal.ts';
import type { State } from '../../src/protocol.ts';
import { poll } from './poll.ts';

/**
 * Resolves once the journal of the app `shop` in this home says that a deploy is in this state. The log says so earlier: to a
 * later run, a deploy that is killed in between has not entered it.
 */
export async function journaled(home: string, state: State): Promise<void> {
  const states = path.join(home, '.local/state/pm2-ssh-deploy');
  await poll(`${state} in the journal`, 30_000, () => {
    const name = existsSync(states) ? readdirSync(states).find((one) => one.startsWith('shop-')) : undefined;
    const last = name === undefined ? undefined : openJournal(path.join(states, name)).entries().at(-1);
    return last?.outcome === null && last.state === state;
  });
}
