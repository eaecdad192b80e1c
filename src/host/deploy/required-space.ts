import { endLeftBuild } from '../build/staging-clone.ts';
import { type Context, inform } from '../context.ts';
import { loadReplaced } from '../state/replaced.ts';
import { freeSpace, SPACE_TO_KEEP } from '../system/disk-space.ts';
import { DeployFailure } from '../system/failure.ts';
import { prune } from './prune.ts';

/** Less free space than this, in KiB, fails every install. */
const LEAST_SPACE = 64 * 1024;

/**
 * Removes earlier versions if the disk has filled up since the last deploy. Throws a `DeployFailure` if there is still too little
 * space for any install. To be called with the app's lock held and no deploy unfinished.
 */
export async function requireSpace(context: Context): Promise<void> {
  const { places, plan, env, log } = context;
  let free = await freeSpace(places.top, env);
  // A rollback may go to one of them, and needs no room.
  const needed = plan.mode === 'rollback' ? LEAST_SPACE : SPACE_TO_KEEP;
  if (free !== null && free < needed && loadReplaced(places.state).length > 1) {
    inform(
      log,
      `Only ${inMiB(free)} MiB are free on the disk of ${places.top}. Earlier versions are removed, except the last one.`,
    );
    endLeftBuild(places.beside);
    await prune(context, plan.deployId).catch((error: unknown) => console.error(error));
    free = await freeSpace(places.top, env);
  }
  // If it cannot be told, the install says that there is too little.
  if (free === null || free >= LEAST_SPACE) return;
  throw new DeployFailure(`Only ${inMiB(free)} MiB are free on the disk of ${places.top}.`, {
    remedy: 'Free some space and run the job again.',
  });
}

function inMiB(free: number): number {
  return Math.round(free / 1024);
}
