import { type Context, inform, warn } from '../context.ts';
import { DeployFailure } from '../system/failure.ts';
import type { Pm2Turn } from './locks.ts';
import type { Service } from './reload-commands.ts';

/** What a deploy holds while it changes what PM2 runs. */
export interface Held {
  turn: Pm2Turn;
  service: Service;
}

/**
 * Waits for the runner's word on a version that is verified, serving and without PM2's lock meanwhile. Returns if the version
 * stays. Throws a `DeployFailure` if it has to go back.
 */
export async function standBy(context: Context, { turn, service }: Held, onBegin: () => void): Promise<void> {
  const failure = await service.join();
  if (failure !== null) throw new DeployFailure(failure.message, failure);
  onBegin();
  turn.pause();
  const verdict = await context.runner.verdict();
  await turn.resume();
  if (verdict.type === 'silence')
    inform(context.log, 'Nothing was heard from the runner any more. The version is verified and stays.');
  if (verdict.type !== 'roll-back') return;
  // The version goes back in any case: the others have.
  await service.leave().catch((error: Error) => warn(context.log, error.message));
  throw new DeployFailure(verdict.reason);
}
