import { dirname, join } from 'node:path';
import { readAppsEarly } from '../build/apps.ts';
import { type Context, inform } from '../context.ts';
import { refuseImpossible } from '../deploy/settings-advice.ts';
import type { Git } from '../git/git.ts';
import { lookForLargeFiles, named } from '../git/large-files.ts';
import { peek } from '../git/peek.ts';
import { loadCurrent } from '../state/current.ts';
import { changesOfConfig } from './dry-run.ts';

/** Looks at one thing, and takes what it says or what stands in the way. */
export type See = (look: () => Promise<string | null>) => Promise<void>;

/** Looks at what a commit has in it that decides whether it can go live, as far as that can be told without a build. */
export async function lookInsideCommit(context: Context, git: Git, sha: string, see: See): Promise<void> {
  const { workingDirectory, ecosystem, repository } = context.plan;
  const places = [workingDirectory, join(workingDirectory, dirname(ecosystem ?? ''))];
  const directories = places.map((path) => (path === '.' ? '' : path));
  const wanted = { sha, repository, directories };
  await peek(git, context.gitIn, wanted, context.access, async (top, scratch) => {
    await see(() => lookAtLargeFiles(scratch, sha));
    await see(() => lookAtNewSettings(context, top));
  });
}

async function lookAtLargeFiles(scratch: Git, sha: string): Promise<string | null> {
  const { files, isLeftOut } = await lookForLargeFiles(scratch, sha);
  if (files.length === 0) return null;
  const keeps = `The commit keeps ${named(files)} in Git LFS`;
  return isLeftOut
    ? `${keeps}. By lfs.fetchexclude or filter.lfs, the pointers stay in their place.`
    : `${keeps}, and git-lfs is on this server.`;
}

/**
 * Tells what the ecosystem file of the commit changes, and refuses what it says and cannot work, as far as that file can be read without what install
 * and build bring.
 */
async function lookAtNewSettings(context: Context, top: string): Promise<null> {
  const { plan, places, log } = context;
  const apps = plan.script === null ? await readAppsEarly(context, top, plan.deployId) : null;
  if (apps === null) return null;
  const current = loadCurrent(places.state);
  if (current !== null) for (const change of changesOfConfig(current.config, apps)) inform(log, change);
  await refuseImpossible(context, apps, top);
  return null;
}
