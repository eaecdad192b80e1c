import { basename, extname, join } from 'node:path';
import type { AppConfig } from '../pm2/app-config.ts';
import { launcherIn } from '../pm2/launcher.ts';
import type { Instance } from '../pm2/list.ts';
import { baselineConfig } from '../pm2/running-config.ts';

/** What Node runs as it is, and so what PM2 can run in cluster mode. */
const NODE_SCRIPT = /\.[cm]?js$/;

/**
 * The app of a host without an ecosystem file; `script` is relative to `workDir`. What runs under that name already
 * (`running`) keeps its settings, whoever started it: directory, mode, instances, arguments, environment. It keeps its
 * interpreter too, unless the new script is of another kind: then PM2 chooses, as for a first start.
 * A Node script that is started for the first time gets the mode that PM2 can reload. Holds an environment: secret.
 */
export function scriptApp(
  name: string,
  script: string,
  workDir: string,
  running: readonly Instance[],
): AppConfig {
  const file = join(workDir, script);
  const same = running.filter((one) => one.name === name);
  const [old] = same;
  const [kept] = baselineConfig(same);
  if (old === undefined || kept === undefined) {
    const reloadable = { exec_mode: 'cluster', instances: 1, listen_timeout: 10_000, kill_timeout: 5_000 };
    return { name, script: file, ...(NODE_SCRIPT.test(script) ? reloadable : {}) };
  }
  const { interpreter, node_args: interpreterArgs, args, ...others } = kept;
  if (startsAnother(old)) return { ...others, script: file, args: [] };
  if (kindOf(old.script) !== kindOf(script)) return { ...others, script: file, args: args ?? [] };
  return { ...kept, script: file };
}

/** What was said to npm or to a shell, such as `run start`, means nothing to the app that it started. */
function startsAnother({ script, args }: Instance): boolean {
  const isCommandLine = /^(ba|da|z)?sh$/.test(basename(script)) && args[0] === '-c';
  return isCommandLine || launcherIn(script) !== null;
}

/** Scripts of one kind have the same interpreter: bash runs no JavaScript. */
function kindOf(script: string): string {
  return NODE_SCRIPT.test(script) ? '.js' : extname(script);
}
