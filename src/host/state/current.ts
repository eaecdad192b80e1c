import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { DeployApp } from '../pm2/app-config.ts';
import { readIfThere, writeDurably } from '../system/durable.ts';
import type { Moment } from '../system/processes.ts';

/** The version that was last verified here. */
export interface Current {
  deployId: string;
  sha: string;
  /** Of everything but the commit that decides what a deploy of it would do. */
  fingerprint: string;
  /** File in the state directory that says what its build made. */
  record: string;
  config: DeployApp[];
  /** What its processes carry as PM2_SSH_DEPLOY_ID: another one after a rollback to it. */
  runsAs: string;
  /** None of its processes began before. */
  since: Moment;
  ports: number[];
}

const file = (state: string): string => join(state, 'current.json');

export function saveCurrent(state: string, current: Current): void {
  writeDurably(file(state), JSON.stringify(current));
}

export function removeCurrent(state: string): void {
  rmSync(file(state), { force: true });
}

/** Null where no deploy of ours was ever committed. */
export function loadCurrent(state: string): Current | null {
  const text = readIfThere(file(state));
  return text === null ? null : (JSON.parse(text) as Current);
}
