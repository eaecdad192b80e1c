import { getState, saveState } from '@actions/core';
import type { DeploymentStatus } from './deployment-status.ts';

/** What the action's `main` leaves for its `post`. No secrets: the runner keeps it in a file. */
export interface LeftDeploy {
  deployId: string;
  /** Tells whether `post` is given the same destination; see `digestOf`. */
  destination: string;
  /** What was asked for. A later step may have changed what the inputs say of it. */
  mode: string;
  /** Empty where none was given. */
  ref: string;
}

/** Their names in the state. The id comes last: without it `post` does nothing. */
const NAMES = { mode: 'mode', ref: 'ref', destination: 'destination', deployId: 'deploy-id' } as const;
const SETTLED = 'settled';
const GITHUB = { created: 'github-deployment', end: 'github-status', told: 'github-told' } as const;

/** Call it before anything is sent. From then on `post` makes sure that this deploy ends. */
export function noteDeploy(left: LeftDeploy): void {
  for (const key of Object.keys(NAMES) as (keyof LeftDeploy)[]) save(NAMES[key], left[key]);
}

/** Call it once the end of the deploy is reported: `post` then has nothing to do. */
export function noteSettled(): void {
  save(SETTLED, 'true');
}

/** The deploy whose end `main` did not report; null if there is none. */
export function unsettledDeploy(): LeftDeploy | null {
  const left = {
    deployId: getState(NAMES.deployId),
    destination: getState(NAMES.destination),
    mode: getState(NAMES.mode),
    ref: getState(NAMES.ref),
  };
  return getState(SETTLED) === 'true' || left.deployId === '' ? null : left;
}

/** A GitHub deployment that has no end yet. No secrets. */
export interface CreatedDeployment {
  id: number;
  /** `owner/name`. */
  repository: string;
  environment: string;
  environmentUrl: string | null;
  /** The page of the run; empty outside of one. */
  logUrl: string;
}

/** The end of a GitHub deployment. */
export type KnownEnd = Pick<DeploymentStatus, 'state' | 'description'>;

/** Call it once GitHub has the deployment: `post` then makes sure that it gets an end. */
export function noteDeployment(created: CreatedDeployment): void {
  save(GITHUB.created, JSON.stringify(created));
}

/** Call it before GitHub is told the end. */
export function noteDeploymentEnd(end: KnownEnd): void {
  save(GITHUB.end, JSON.stringify(end));
}

/** Call it once GitHub was told the end, or has refused it. */
export function noteDeploymentTold(): void {
  save(GITHUB.told, 'true');
}

/** The GitHub deployment that `main` gave no end, and the end if `main` knew it; null if there is none. */
export function openedDeployment(): { created: CreatedDeployment; end: KnownEnd | null } | null {
  const [created, end] = [getState(GITHUB.created), getState(GITHUB.end)];
  if (created === '' || getState(GITHUB.told) === 'true') return null;
  return { created: JSON.parse(created), end: end === '' ? null : JSON.parse(end) };
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
