import { settingsInstead, startedByLauncher } from '../build/start-script.ts';
import { type AppConfig, expectedInstances } from '../pm2/app-config.ts';
import { DeployFailure } from '../system/failure.ts';
import type { KnownOfApp } from './known-of-app.ts';

/**
 * Throws a `DeployFailure` if an app that serves runs a launcher such as npm in cluster mode. The app is then npm's child
 * and has the port for itself: PM2 restarts a second instance in a loop, and no new version can start beside the old one.
 */
export function refuseLauncherInCluster(
  app: AppConfig & { name: string },
  { runs, serves, scripts }: KnownOfApp,
): void {
  const { mode, count } = expectedInstances(app);
  const found = startedByLauncher(app, scripts);
  if (found === null || mode !== 'cluster') return;
  // A worker of one instance needs no port. Of an app that never ran we do not know whether it does.
  if (!serves && (runs || count === 1)) return;
  throw new DeployFailure(
    `'${app.name}' cannot run in cluster mode, because its script is ${found.launcher}. That starts the app as another process, which cannot share its port.`,
    {
      remedy: `In the ecosystem file, ${settingsInstead(found.started)}. Or keep the script and set "exec_mode: 'fork', instances: 1"; then each deploy has a short gap.`,
    },
  );
}
