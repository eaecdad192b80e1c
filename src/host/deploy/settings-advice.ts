import { adviseOn } from '../build/advice.ts';
import { lineOfApp } from '../build/ecosystem-line.ts';
import type { Staged } from '../build/stage.ts';
import { unknownSettings } from '../build/unknown-settings.ts';
import { type Context, inform, warn } from '../context.ts';
import { versionFor } from '../handover/preload-choice.ts';
import { type DeployApp, expectedInstances } from '../pm2/app-config.ts';
import { sharesPorts } from '../system/node-version.ts';
import { refuseLauncherInCluster } from './impossible.ts';
import { knownOfApps } from './known-of-app.ts';

/** Refuses settings that cannot work; `top` is where the version of these apps lies, built or not. */
export async function refuseImpossible(
  context: Context,
  apps: readonly DeployApp[],
  top: string,
): Promise<void> {
  const knownOf = await knownOfApps(context, apps, top);
  for (const app of apps) refuseLauncherInCluster(app, knownOf(app));
}

/** Warns of settings that PM2 ignores, and of those that may cost the app's users something in a deploy. */
export async function adviseOnSettings(context: Context, { config, staging }: Staged): Promise<void> {
  const { plan, pm2, log } = context;
  const knownOf = await knownOfApps(context, config, staging);
  const running = await pm2.list();
  const each = config.map(async (app) => {
    const version = await versionFor(app, expectedInstances(app).mode, pm2, running);
    const sharesPort = plan.handover === 'auto' && version !== null && sharesPorts(version);
    const texts = [...unknownSettings(app), ...adviseOn(app, { ...knownOf(app), sharesPort })];
    const where = lineOfApp(plan, staging, app.name);
    return texts.map((text) => ({ text, where }));
  });
  const advice = (await Promise.all(each)).flat();
  for (const { text, where } of advice) warn(log, text, where);
  if (plan.script !== null && advice.length > 0)
    inform(
      log,
      "Settings need an ecosystem file: run 'pm2 init simple' to make one, and leave out `script`.",
    );
}
