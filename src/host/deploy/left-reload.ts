import { setTimeout as sleep } from 'node:timers/promises';
import { type Context, warn } from '../context.ts';
import { isStartOrReload } from '../pm2/cli.ts';
import { programOf, stillRuns } from '../program/program.ts';
import { unfinished } from '../state/journal.ts';
import { signalGroup } from '../system/command.ts';
import { argumentsOf } from '../system/processes.ts';
import { lockKeepers } from './locks.ts';
import { stoppedReload, watchUntil } from './watch-reload.ts';

const LOOK_EVERY = 50;

/**
 * Watches the reload that a killed host program has left. PM2's command goes on by itself, and would replace one instance
 * after the other even if the version is bad. So it is stopped at the first sign of that, as the program would have done.
 * Gives the sign as a sentence, or null if there was none. To be called before the app's lock is taken: the command holds it.
 */
export async function watchLeftReload(context: Context): Promise<string | null> {
  const { journal, pm2, log, runner } = context;
  const entry = unfinished(journal.entries());
  const command = entry?.state === 'activating' ? leftCommand(context) : null;
  if (entry === null || command === null) return null;
  const left = programOf(command);
  const done = (async () => {
    while (stillRuns(left) && !runner.cancelled.aborted) await sleep(LOOK_EVERY);
  })();
  // It was started as the leader of a group of its own.
  const abort = (): void => signalGroup(command, 'SIGKILL');
  try {
    const { trouble } = await watchUntil(pm2, { done, abort }, entry.deploy, await pm2.list());
    return trouble === null ? null : stoppedReload(trouble);
  } catch (error) {
    warn(log, `PM2's command was stopped, because PM2 does not answer: ${(error as Error).message}`);
    return null;
  }
}

/** PM2's command, if nothing else holds the app's lock: then the program that started it is gone. */
function leftCommand(context: Context): number | null {
  const [pid, ...others] = lockKeepers(context);
  return pid !== undefined && others.length === 0 && isStartOrReload(argumentsOf(pid)) ? pid : null;
}
