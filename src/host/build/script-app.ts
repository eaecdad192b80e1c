import { join } from 'node:path';
import { type AppConfig, isPackageManager } from '../pm2/app-config.ts';
import type { Instance } from '../pm2/list.ts';
import { baselineConfig } from '../pm2/running-config.ts';

/** What Node runs as it is, and so what PM2 can run in cluster mode. */
const NODE_SCRIPT = /\.[cm]?js$/;

/**
 * The app of a host without an ecosystem file; `script` is relative to `workDir`. What runs under that name already
 * (`running`) keeps its settings, whoever started it: directory, mode, instances, arguments, environment, interpreter.
 * A Node script that is started for the first time gets the mode that PM2 can reload. Holds an environment: secret.
 */
export function scriptApp(
  name: string,
  script: string,
  workDir: string,
  running: readonly Instance[],
): AppConfig {
  const file = join(workDir, script);
  const [kept] = baselineConfig(running.filter((one) => one.name === name));
  if (kept === undefined) {
    const reloadable = { exec_mode: 'cluster', instances: 1, listen_timeout: 10_000, kill_timeout: 5_000 };
    return { name, script: file, ...(NODE_SCRIPT.test(script) ? reloadable : {}) };
  }
  const app: AppConfig = { ...kept, script: file };
  // What was said to a package manager, such as `run start`, is nothing to say to the script.
  if (isPackageManager(String(kept.script))) {
    app.args = [];
    delete app.interpreter;
  }
  return app;
}
