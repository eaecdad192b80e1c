import { join } from 'node:path';
import type { Context } from '../context.ts';
import { chooseApps, type DeployApp, deployConfig, moveApps } from '../pm2/app-config.ts';
import { DeployFailure } from '../system/failure.ts';
import { realOrSame } from '../system/paths.ts';
import { findEcosystem, readEcosystem } from './ecosystem.ts';
import { findModules } from './find-modules.ts';
import { meantOfLive } from './live-paths.ts';
import { scriptApp } from './script-app.ts';

/**
 * What PM2 is to run of the version that lies at `top`, staging or live, as if it lay in live. The file is evaluated
 * where it is, so that whatever it requires is of its own version.
 */
export async function readApps(
  { plan, places, pm2 }: Context,
  top: string,
  deployId: string,
): Promise<DeployApp[]> {
  const workDir = join(top, plan.workingDirectory);
  const [name] = plan.apps;
  if (plan.script !== null && name !== undefined) {
    const app = scriptApp(name, plan.script, workDir, await pm2.list());
    const config = deployConfig([app], { workDir, deployId, pm2Env: null });
    return meantOfLive(moveApps(config, [top], places.live), places);
  }
  const from = [top, realOrSame(top)];
  const file = findEcosystem(workDir, plan.ecosystem);
  const options = { node: process.execPath, env: pm2.env, cwd: workDir, pm2Root: pm2.install.root };
  const apps = chooseApps(await readEcosystem(file, options), plan.apps);
  const config = moveApps(deployConfig(apps, { workDir, deployId, pm2Env: plan.pm2Env }), from, places.live);
  return findModules(meantOfLive(config, places), { top, live: places.live, env: pm2.env });
}

/** The same before install and build; null if the file cannot be evaluated without what they bring. */
export async function readAppsEarly(
  context: Context,
  top: string,
  deployId: string,
): Promise<DeployApp[] | null> {
  try {
    return await readApps(context, top, deployId);
  } catch (error) {
    if (error instanceof DeployFailure) return null;
    throw error;
  }
}
