import { join } from 'node:path';
import { isDeepStrictEqual } from 'node:util';
import { readApps } from '../build/apps.ts';
import { envFilePath } from '../build/env-input.ts';
import type { Context } from '../context.ts';
import { complaintAboutLive } from '../health/live-health.ts';
import { readIfThere } from '../system/durable.ts';
import { exists } from '../system/paths.ts';
import type { Live } from './live.ts';
import { fingerprintOf } from './plan-fingerprint.ts';

/**
 * Why a deploy of `sha` has something to do, or null: the same commit, configuration and plan are live, and every
 * instance of it is healthy now. Changes nothing.
 */
export async function differsFrom(
  context: Context,
  sha: string,
  { head, current, generated }: Live,
): Promise<string | null> {
  const { plan, places } = context;
  if (current === null) return 'no deploy was ever verified here';
  if (!exists(places.live)) return 'the layout of path is another one';
  if (current.sha !== sha || head.sha !== sha) return 'another commit is live';
  const given = envFilePath(plan);
  if (given !== null && readIfThere(join(places.live, given)) !== plan.envFile?.content)
    return `${given} on the server is not what env-file says`;
  if (current.fingerprint !== (await fingerprintOf(context, sha)))
    return 'the settings of the deploy, an .env file, Node or PM2 changed';
  const lost = (generated?.roots ?? []).find((path) => !exists(join(places.live, path)));
  if (lost !== undefined) return `${lost} is gone, which the build made`;
  // Without an ecosystem file nothing says what the app should be, and what runs is looked at below.
  const config =
    plan.script === null ? await readApps(context, places.live, current.deployId) : current.config;
  if (!isDeepStrictEqual(config, current.config)) return 'what the ecosystem file says changed';
  return complaintAboutLive(context, current);
}

/** Whether the live version was verified with the settings that a deploy of `sha` has now. */
export async function hasSameSettings(
  context: Context,
  sha: string,
  { head, current }: Live,
): Promise<boolean> {
  if (current === null || current.sha !== head.sha) return false;
  return current.fingerprint === (await fingerprintOf(context, sha));
}
