import type { Replaced } from '../build/keep-assets.ts';
import { restage } from '../build/restage.ts';
import type { Refuse, Staged } from '../build/stage.ts';
import { type Context, inform } from '../context.ts';
import { loadReplaced, type ReplacedVersion } from '../state/replaced.ts';
import { buildOf } from '../swap/record.ts';
import { nodeAbi } from '../system/node-version.ts';
import type { Live } from './live.ts';
import { fingerprintOf } from './plan-fingerprint.ts';

/**
 * The version of the commit, staged out of what an earlier swap has put aside; null if it has to be built. The log says
 * which, and why a version that could have been used is not.
 */
export async function stageKept(
  context: Context,
  sha: string,
  live: Live,
  replaced: Replaced,
  refuse: Refuse,
): Promise<Staged | null> {
  const { plan, log, places } = context;
  const kept = loadReplaced(places.state).filter(
    ({ sha: its, files }) => its === sha && files.layout === plan.layout.kind,
  );
  if (kept.length === 0 && plan.mode !== 'rollback') return null;
  const usable = await choose(context, kept, live);
  const staged = typeof usable === 'string' ? usable : await restage(context, usable, replaced, refuse);
  if (typeof staged === 'string') {
    inform(log, `This version is built anew: ${staged}.`);
    return null;
  }
  inform(
    log,
    'The files of this version are still on the server. It needs no fetch, no install and no build.',
  );
  return staged;
}

/** The one that can be used, or why none can, as a sentence's end. */
async function choose(
  context: Context,
  kept: readonly ReplacedVersion[],
  { head, current }: Live,
): Promise<ReplacedVersion | string> {
  // Assets of others that came with it are in no file of an earlier version.
  const build = current === null ? null : buildOf(current.record);
  // A version with a directory of its own is whole, whatever is live.
  const beside = kept.find(({ over, files }) => files.layout === 'releases' || buildOf(over) === build);
  if (beside === undefined)
    return kept.length === 0
      ? 'its files are not on the server any more'
      : 'its files fit another version than the one that is live';
  if (head.sha !== current?.sha) return 'HEAD of the live checkout was moved by hand';
  if (beside.abi !== nodeAbi())
    return `it was installed for ${beside.abi ?? 'an unknown Node'}, and this Node is ${nodeAbi()}`;
  const { mode } = context.plan;
  // A rollback is for what was verified. A deploy promises a build with its own settings.
  if (mode !== 'rollback' && beside.fingerprint !== (await fingerprintOf(context, beside.sha)))
    return 'the settings of the deploy, an .env file, Node or PM2 changed since';
  return beside;
}
