import { getState, saveState } from '@actions/core';

/** What the action's `main` leaves for its `post`: no secret, since a runner keeps it in a file. */
const DEPLOY = 'deploy-id';
const SETTLED = 'settled';

/** Before anything is sent: from here on `post` sees to it that this deploy ends. */
export function noteDeploy(deployId: string): void {
  save(DEPLOY, deployId);
}

/** How the deploy ended is known and reported: `post` has nothing to do. */
export function noteSettled(): void {
  save(SETTLED, 'true');
}

/** The id of the deploy of which `main` did not report the end; null where there is none. */
export function unsettledDeploy(): string | null {
  return getState(SETTLED) === 'true' ? null : getState(DEPLOY) || null;
}

function save(name: string, value: string): void {
  // Outside of a workflow there is no `post` either, and core would print the state.
  if (!process.env.GITHUB_STATE) return;
  try {
    saveState(name, value);
  } catch (error) {
    process.stderr.write(`The state for the post step could not be saved: ${String(error)}\n`);
  }
}
