import { dirname, join } from 'node:path';
import { readAppsEarly } from '../build/apps.ts';
import { accessOf, type Context, inform } from '../context.ts';
import { refuseImpossible } from '../deploy/settings-advice.ts';
import type { Git } from '../git/git.ts';
import { peek } from '../git/peek.ts';
import { loadCurrent } from '../state/current.ts';
import { changesOfConfig } from './dry-run.ts';

/**
 * Tells what the ecosystem file of the commit changes, and refuses what it says and cannot work, as far as that file can be read without what install
 * and build bring. Throws the `DeployFailure` that a deploy would end with.
 */
export async function lookAtNewSettings(context: Context, git: Git, sha: string): Promise<void> {
  const { plan, gitIn } = context;
  if (plan.script !== null) return;
  const { workingDirectory, ecosystem, repository, deployId } = plan;
  const places = [workingDirectory, join(workingDirectory, dirname(ecosystem ?? ''))];
  const directories = places.map((path) => (path === '.' ? '' : path));
  await peek(git, gitIn, { sha, repository, directories }, accessOf(context), async (top) => {
    const apps = await readAppsEarly(context, top, deployId);
    if (apps === null) return;
    const current = loadCurrent(context.places.state);
    if (current !== null)
      for (const change of changesOfConfig(current.config, apps)) inform(context.log, change);
    await refuseImpossible(context, apps, top);
  });
}
