import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { type DeployApp, deployApp } from '../pm2/app-config.ts';
import { type Check, fields, listOf, mapOf, number, orNull, text } from '../system/checked.ts';
import { type Moment, moment } from '../system/processes.ts';
import { type Format, readVersioned, writeVersioned } from '../system/versioned.ts';

/** The version that was verified last on this host. */
export interface Current {
  deployId: string;
  sha: string;
  /** Covers everything except the commit that decides what a deploy does. */
  fingerprint: string;
  /** Name of the file in the state directory that lists what its build made. */
  record: string;
  config: DeployApp[];
  /** PM2_SSH_DEPLOY_ID of its processes. After a rollback to it they have another id. */
  runsAs: string;
  /** All of its processes started after this. */
  since: Moment;
  ports: number[];
  /** PM2's restart counter of each instance as it was verified, by pm_id; null if nobody noted it, as 0.1 did not. */
  restarts: Record<string, number> | null;
  /** What its install and build ran with, as `nodeAbi` tells it; null if nobody noted it, as 0.1 did not. */
  abi: string | null;
}

const counters: Check<Current['restarts']> = (value, at) =>
  value === undefined || value === null ? null : mapOf(number)(value, at);

/** Of what 0.1 did not write. */
export const noted: Check<string | null> = (value = null, at) => orNull(text)(value, at);

export const currentCheck: Check<Current> = fields({
  deployId: text,
  sha: text,
  fingerprint: text,
  record: text,
  config: listOf(deployApp),
  runsAs: text,
  since: moment,
  ports: listOf(number),
  restarts: counters,
  abi: noted,
});

const FORMAT: Format<Current> = { what: 'The record of the version that runs', readers: [currentCheck] };

const file = (state: string): string => join(state, 'current.json');

export function saveCurrent(state: string, current: Current): void {
  writeVersioned(file(state), FORMAT, current);
}

export function removeCurrent(state: string): void {
  rmSync(file(state), { force: true });
}

/** Null if no deploy was ever committed here. */
export function loadCurrent(state: string): Current | null {
  return readVersioned(file(state), FORMAT);
}
