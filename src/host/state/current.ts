import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DeployApp, deployApp } from '../pm2/app-config.ts';
import { type Check, fields, listOf, number, text } from '../system/checked.ts';
import { type Moment, moment } from '../system/processes.ts';
import { type Format, readVersioned, writeVersioned } from '../system/versioned.ts';

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

export const currentCheck: Check<Current> = fields({
  deployId: text,
  sha: text,
  fingerprint: text,
  record: text,
  config: listOf(deployApp),
  runsAs: text,
  since: moment,
  ports: listOf(number),
});

const FORMAT: Format<Current> = { what: 'The record of the version that runs', readers: [currentCheck] };

const file = (state: string): string => join(state, 'current.json');

export function saveCurrent(state: string, current: Current): void {
  writeVersioned(file(state), FORMAT, current);
}

export function removeCurrent(state: string): void {
  rmSync(file(state), { force: true });
}

/** Null where no deploy of ours was ever committed. */
export function loadCurrent(state: string): Current | null {
  return readVersioned(file(state), FORMAT);
}
