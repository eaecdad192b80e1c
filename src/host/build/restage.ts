import { rmSync } from 'node:fs';
import { join } from 'node:path';
import type { Context } from '../context.ts';
import { trackedFiles } from '../git/checkout.ts';
import { refuseApart } from '../state/places.ts';
import { placeOfReplaced, type ReplacedVersion } from '../state/replaced.ts';
import { knownTree, onlyKnown } from '../swap/known-tree.ts';
import { learn } from '../swap/lasting-entries.ts';
import { loadRecord, saveRecordAgain } from '../swap/record.ts';
import { type Generated, type KeptAssets, recordGenerated } from '../swap/tree.ts';
import { type Before, firstDifference, makeWhole } from '../swap/whole-again.ts';
import { exists } from '../system/paths.ts';
import { makePrivate, requirePrivate } from '../system/private-directory.ts';
import { keepAssets, type Replaced } from './keep-assets.ts';
import { giveEnvFile, lendEnvFiles } from './lent-env-files.ts';
import { discardLeftovers, type Refuse, readVersion, type Staged } from './stage.ts';
import { makeCheckout } from './staging-clone.ts';

/**
 * Makes a staged version of what a swap has put aside, with no install, no build and no remote. It stays where it lies, so
 * that another attempt finds it there. Gives the reason, as a sentence's end, if it is not whole any more.
 */
export async function restage(
  context: Context,
  earlier: ReplacedVersion,
  replaced: Replaced,
  refuse: Refuse,
): Promise<Staged | string> {
  const { plan, places, git, gitIn } = context;
  const { sha, deployId, files } = earlier;
  const staging = placeOfReplaced(places, earlier);
  refuseApart(places);
  makePrivate(places.beside, join(places.beside, plan.deployId));
  if (files.layout === 'in-place') requirePrivate(join(places.beside, deployId));
  discardLeftovers(context);
  const generated = loadRecord(places.state, earlier.record);
  if (generated === null || !exists(staging)) return 'it was removed';
  const tracked = await trackedFiles(git, sha);
  const different =
    files.layout === 'in-place'
      ? makeWhole(staging, places.live, { tracked, generated, ops: files.ops })
      : firstDifference(generated, recordGenerated(staging, tracked));
  if (different !== null) return `${different} is not as its build left it`;

  if (files.layout === 'in-place') {
    rmSync(join(staging, '.git'), { recursive: true, force: true });
    await makeCheckout(git, gitIn, staging, sha);
  }
  // The ecosystem file may read them.
  const lent = await lendEnvFiles(context, staging, tracked);
  const config = await readVersion(context, staging, refuse);
  lent.takeBack(staging);
  const assets = keepAssets(context, staging, replaced);
  const version =
    assets.length === 0
      ? { generated, record: earlier.record }
      : recordAgain(context, withAssets(staging, { tracked, generated }, assets), earlier.record);
  const given = giveEnvFile(context, staging, tracked);
  const kept = join(places.beside, plan.deployId, 'kept');
  return { sha, staging, kept, ...version, given, config };
}

/** What the build made, and these: neither links to what all versions share, nor what the app wrote while it was live. */
function withAssets(
  staging: string,
  { tracked, generated }: Pick<Before, 'tracked' | 'generated'>,
  assets: KeptAssets[],
): Generated {
  const known = knownTree(tracked, generated, 'known');
  for (const path of assets.flatMap(({ paths }) => paths)) learn(known, path);
  return onlyKnown(recordGenerated(staging, tracked, assets), known);
}

function recordAgain(
  { places, plan }: Context,
  generated: Generated,
  record: string,
): Pick<Staged, 'generated' | 'record'> {
  return { generated, record: saveRecordAgain(places.state, plan.deployId, generated, record) };
}
