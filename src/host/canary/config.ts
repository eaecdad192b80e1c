import { basename } from 'node:path';
import { type DeployApp, expectedInstances, moveApps, scriptOf } from '../pm2/app-config.ts';
import { launcherIn } from '../pm2/launcher.ts';
import type { Json } from '../pm2/list.ts';
import { nodeArgumentsOf } from '../pm2/node-arguments.ts';
import { isWithin } from '../system/paths.ts';

/** Carries the app's directory in the environment of its canaries: a later deploy knows by it what to remove. */
export const CANARY_OF = 'PM2_SSH_DEPLOY_CANARY';

/** Settings under all the names that PM2 takes, which a canary has otherwise or not at all. */
const NOT_ITS_OWN = new Set([
  ...['cron_restart', 'cron', 'watch', 'max_memory_restart', 'exp_backoff_restart_delay', 'restart_delay'],
  ...['stop_exit_codes', 'log_file', 'log', 'disable_logs', 'post_update', 'instances', 'autostart'],
  ...['out_file', 'out', 'output', 'out_log', 'error_file', 'error', 'err', 'err_file', 'err_log'],
  ...['pid_file', 'pid', 'merge_logs', 'combine_logs', 'node_args', 'interpreterArgs', 'interpreter_args'],
]);
const RUNS_NODE = /^(node(@.*)?|tsx|ts-node|ts-node-esm|ts-node-script)$/;

/** Why an app cannot have a canary, not even a required one, as the end of a sentence. Null if it can. */
export function whyImpossible(app: DeployApp, live: string): string | null {
  if (!isWithin(live, app.cwd)) return `it runs outside of ${live}, in ${app.cwd}`;
  if ([app.uid, app.user, app.gid].some((value) => value !== undefined && value !== null))
    return 'it runs as another user (uid, gid), who may not read what a canary needs';
  return isStartedByNode(app) ? null : 'Node does not start it, so its port cannot be moved';
}

function isStartedByNode(app: DeployApp): boolean {
  const script = (scriptOf(app) ?? '').trim();
  const [program = ''] = script.split(/\s+/);
  if (launcherIn(program) !== null) return true;
  // PM2 hands a command line to bash.
  if (script.includes(' ')) return RUNS_NODE.test(basename(program));
  const interpreter = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
  if (typeof interpreter === 'string' && interpreter !== '') return RUNS_NODE.test(basename(interpreter));
  return /\.([cm]?[jt]s|[jt]sx)$/.test(script) || !/\.[^/]*$/.test(basename(script));
}

export interface CanaryOptions {
  /** The canary's name in PM2. */
  name: string;
  /** The app's directory, and the one in it that PM2 runs the app from. */
  top: string;
  live: string;
  staging: string;
  /** Absolute paths without a suffix, private: of the preload, and for the files that PM2 makes. */
  preload: string;
  files: string;
  /** PM2's `--env`. */
  pm2Env: string | null;
  /** Variables that the app has from the shell that first started it, and not from the ecosystem file. */
  inherited: Readonly<Record<string, string>>;
  /** Whether PM2 runs the app now, so that all that it inherits is known. */
  runsNow: boolean;
}

/** One instance of the new version in staging, as PM2 gets it: under its own name, started once, not restarted. */
export function canaryConfig(app: DeployApp, options: CanaryOptions): DeployApp {
  const { name, top, live, staging, preload, files, pm2Env, inherited, runsNow } = options;
  const [moved = app] = moveApps([app], [live], staging);
  const kept = Object.entries(moved).filter(
    ([key]) => !NOT_ITS_OWN.has(key) && key !== 'env' && !key.startsWith('env_'),
  );
  const { mode } = expectedInstances(app);
  const env: Record<string, Json> = {
    ...inherited,
    ...moved.env,
    ...(moved[`env_${pm2Env}`] as Record<string, Json> | undefined),
    [CANARY_OF]: top,
  };
  // What runs in a cluster worker was decided before its environment counts; an npm hands on nothing but its environment.
  if (mode === 'fork') env.NODE_OPTIONS = `--require ${quoted(preload)} ${env.NODE_OPTIONS ?? ''}`.trim();
  return {
    ...Object.fromEntries(kept),
    name,
    cwd: moved.cwd,
    exec_mode: mode,
    instances: 1,
    autorestart: false,
    watch: false,
    merge_logs: true,
    out_file: `${files}-out.log`,
    error_file: `${files}-error.log`,
    pid_file: `${files}.pid`,
    node_args: [...(mode === 'cluster' ? ['--require', preload] : []), ...nodeArgumentsOf(moved)],
    env,
    // PM2 would add the variables of its caller. Every name contains the empty text, so this filter drops them all.
    ...(runsNow ? { filter_env: [''] } : {}),
  };
}

/** As Node reads NODE_OPTIONS. */
function quoted(text: string): string {
  return `"${text.replace(/[\\"]/g, '\\$&')}"`;
}
