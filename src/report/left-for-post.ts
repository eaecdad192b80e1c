import { getState, saveState } from '@actions/core';

/** What the action's `main` leaves for its `post`. No secrets: the runner keeps it in a file. */
const DEPLOY = 'deploy-id';
const SETTLED = 'settled';

/** Call it before anything is sent. From then on `post` makes sure that this deploy ends. */
export function noteDeploy(deployId: string): void {
  save(DEPLOY, deployId);
}

/** Call it once the end of the deploy is reported: `post` then has nothing to do. */
export function noteSettled(): void {
  save(SETTLED, 'true');
}

/** The id of a deploy whose end `main` did not report; null if there is none. */
export function unsettledDeploy(): string | null {
  return getState(SETTLED) === 'true' ? null : getState(DEPLOY) || null;
}

function save(name: string, value: string): void {
  // Outside a workflow there is no `post`, and core would print the state.
  if (!process.env.GITHUB_STATE) return;
  try {
    saveState(name, value);
  } catch (error) {
    process.stderr.write(`Could not save the state for the post step: ${String(error)}\n`);
  }
}
