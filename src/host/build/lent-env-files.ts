import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { secretsOfEnvFile } from '../program/redact.ts';
import { envSources } from '../state/places.ts';
import { envDirectories, envFiles, hideEnvFiles, showEnvFiles } from './env-files.ts';
import { envFilePath, writeEnvFile } from './env-input.ts';

/** Env files that a version has for a while. */
export interface Lent {
  /** Those of the live app. */
  shown: string[];
  /** All of them. */
  paths: string[];
  /** Takes all of them away again, from where the version lies by then. */
  takeBack(staging: string): void;
}

/**
 * Gives the version at `top` the env file of the plan, and copies of those of the live app that git does not know. Their
 * values are hidden in the log. `tracked` are the commit's files.
 */
export async function lendEnvFiles(
  context: Context,
  top: string,
  tracked: ReadonlyMap<string, string>,
): Promise<Lent> {
  const { plan, places, git, redactor } = context;
  const directories = envDirectories(tracked.keys(), plan.workingDirectory);
  const given = giveEnvFile(context, top, tracked);
  const shown: string[] = [];
  for (const from of envSources(places)) shown.push(...(await showEnvFiles(from, top, git, directories)));
  for (const path of envFiles(top, directories))
    redactor.hide(secretsOfEnvFile(readFileSync(join(top, path), 'utf8')));
  return {
    shown,
    paths: [...shown, ...given],
    takeBack: (staging) => hideEnvFiles(staging, [...shown, ...given]),
  };
}

/** Writes the plan's env file into the version at `top`. Gives its path in there, if there is one. */
export function giveEnvFile(
  { plan }: Pick<Context, 'plan'>,
  top: string,
  tracked: ReadonlyMap<string, string>,
): string[] {
  const path = envFilePath(plan);
  if (plan.envFile === null || path === null) return [];
  writeEnvFile(top, path, plan.envFile.content, tracked);
  return [path];
}
