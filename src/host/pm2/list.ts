import { DeployFailure } from '../system/failure.ts';
import { isWithin, realOrSame } from '../system/paths.ts';
import { ADDED_VARIABLES, PM2_FIELDS, SETTINGS } from './fields.ts';
import { ownArgs, ownOptions, type Preload, preloadAmong } from './preload-args.ts';
import type { Rpc } from './rpc.ts';

/** The variable that carries the id of the deploy that an instance runs. */
export const DEPLOY_ID = 'PM2_SSH_DEPLOY_ID';

export type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

/** One process of PM2's list: chosen fields only. `env` is secret and stays in memory; print no instance as a whole. */
export interface Instance {
  pmId: number;
  name: string;
  /** Which of its app's instances it is (NODE_APP_INSTANCE); null where PM2 numbers none. */
  instanceNumber: number | null;
  namespace: string;
  /** 0 where no process runs. */
  pid: number;
  /** As PM2 has it: `online`, `launching`, `stopping`, `stopped`, `errored`, `waiting restart`, ... */
  status: string;
  restartTime: number;
  unstableRestarts: number;
  /** Of the process that ended last. In cluster mode PM2 has 0 for a crash as well. */
  exitCode: number | null;
  /** Milliseconds since 1970, both: a crash changes only the latter. */
  createdAt: number;
  pmUptime: number;
  cwd: string;
  /** Absolute. */
  script: string;
  args: string[];
  /** Without our preload, as `env` is. */
  nodeArgs: string[];
  preload: Preload | null;
  interpreter: string;
  execMode: 'cluster' | 'fork';
  /** The variables that the user or the shell gave the app, without those that PM2 adds. Secret. */
  env: Record<string, string>;
  /** What was asked for, raw; stale after a reload or a scale: count the entries of a name instead. */
  instances: Json;
  waitReady: boolean;
  /** Milliseconds, both; null means PM2's default. */
  listenTimeout: number | null;
  killTimeout: number | null;
  autorestart: boolean;
  watch: Json;
  errLogPath: string | null;
  outLogPath: string | null;
  /** File that gathers both streams, where the app has one. */
  logPath: string | null;
  pidPath: string | null;
  /** The app's own version, from the package.json beside its script, where there is one. */
  version: string | null;
  /** The deploy that started it, or null where none of ours did. */
  deployId: string | null;
  /** One of PM2's own modules (pm2-logrotate and the like): no app, and no business of a deploy. */
  module: boolean;
  /** The further settings of the ecosystem file, under its names and with PM2's parsed values. */
  settings: Record<string, Json>;
}

/** What PM2 runs now, asked of its daemon. `timeLimit` is in milliseconds. */
export async function listInstances(rpc: Rpc, timeLimit: number): Promise<Instance[]> {
  return parseList(await rpc.call('getMonitorData', [{}], timeLimit));
}

/** Reads the parsed JSON of `pm2 jlist`, or the daemon's own answer, of any PM2. Throws a `DeployFailure` on anything else. */
export function parseList(list: unknown): Instance[] {
  if (!Array.isArray(list)) throw new DeployFailure('PM2 did not answer with a list of processes.');
  return list.filter(isRecord).map((entry) => instanceOf(entry));
}

type Fields = Record<string, unknown>;

function instanceOf(entry: Fields): Instance {
  const pm2 = isRecord(entry.pm2_env) ? entry.pm2_env : {};
  const env = isRecord(pm2.env) ? pm2.env : {};
  const variables = variablesOf(pm2, env, text(entry.name) ?? '');
  const nodeArgs = words(pm2.node_args);
  const settings: Record<string, Json> = {};
  for (const key of SETTINGS) {
    const value = pm2[key];
    if (value !== undefined && value !== null) settings[key] = value as Json;
  }
  return {
    pmId: number(entry.pm_id) ?? number(pm2.pm_id) ?? -1,
    name: text(entry.name) ?? text(pm2.name) ?? '',
    instanceNumber: number(pm2[instanceVariable(pm2)]),
    namespace: text(pm2.namespace) ?? 'default',
    pid: number(entry.pid) ?? 0,
    status: text(pm2.status) ?? 'unknown',
    restartTime: number(pm2.restart_time) ?? 0,
    unstableRestarts: number(pm2.unstable_restarts) ?? 0,
    exitCode: number(pm2.exit_code),
    createdAt: number(pm2.created_at) ?? 0,
    pmUptime: number(pm2.pm_uptime) ?? 0,
    cwd: text(pm2.pm_cwd) ?? '',
    script: text(pm2.pm_exec_path) ?? '',
    args: words(pm2.args),
    nodeArgs: ownArgs(nodeArgs),
    preload: preloadAmong(nodeArgs, variables.NODE_OPTIONS),
    interpreter: text(pm2.exec_interpreter) ?? 'node',
    execMode: text(pm2.exec_mode)?.startsWith('cluster') ? 'cluster' : 'fork',
    env: withoutPreload(variables),
    instances: (pm2.instances ?? null) as Json,
    waitReady: pm2.wait_ready === true,
    listenTimeout: number(pm2.listen_timeout),
    killTimeout: number(pm2.kill_timeout),
    autorestart: pm2.autorestart !== false && pm2.autorestart !== 'false',
    watch: (pm2.watch ?? false) as Json,
    errLogPath: text(pm2.pm_err_log_path),
    outLogPath: text(pm2.pm_out_log_path),
    logPath: text(pm2.pm_log_path),
    pidPath: text(pm2.pm_pid_path),
    version: text(pm2.version) === 'N/A' ? null : text(pm2.version),
    // In `env` it stands as soon as PM2 is asked to restart the app, while the old process is still to be stopped.
    deployId: text(pm2[DEPLOY_ID]),
    module: pm2.pmx_module === true,
    settings,
  };
}

/**
 * The app's variables. PM2 spreads them over its own fields, and that is what a process gets; after a reload `env`
 * has those of the ecosystem file alone, while the shell's of the first start live on only there.
 */
function variablesOf(pm2: Fields, env: Fields, name: string): Record<string, string> {
  // The instance's number, and PM2's module settings under the app's own name, are PM2's too.
  const numbers = instanceVariable(pm2);
  const added = (key: string, value: unknown): boolean =>
    ADDED_VARIABLES.has(key) || key === DEPLOY_ID || key === numbers || (key === name && value === '{}');
  const variables: Record<string, string> = {};
  for (const [key, value] of Object.entries(pm2)) {
    if (isScalar(value) && !PM2_FIELDS.has(key) && !added(key, value)) variables[key] = String(value);
  }
  for (const [key, value] of Object.entries(env)) {
    if (isScalar(value) && !added(key, value)) variables[key] = String(value);
  }
  return variables;
}

function withoutPreload({ NODE_OPTIONS, ...variables }: Record<string, string>): Record<string, string> {
  const own = ownOptions(NODE_OPTIONS);
  return own === undefined ? variables : { ...variables, NODE_OPTIONS: own };
}

function instanceVariable(pm2: Fields): string {
  return text(pm2.instance_var) ?? 'NODE_APP_INSTANCE';
}

function isRecord(value: unknown): value is Fields {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function isScalar(value: unknown): value is string | number | boolean {
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean';
}

function text(value: unknown): string | null {
  return typeof value === 'string' ? value : null;
}

/** PM2 keeps numbers that were given as text as text. */
function number(value: unknown): number | null {
  const parsed = typeof value === 'string' && value.trim() !== '' ? Number(value) : value;
  return typeof parsed === 'number' && Number.isFinite(parsed) ? parsed : null;
}

function words(value: unknown): string[] {
  if (Array.isArray(value)) return value.filter(isScalar).map(String);
  return typeof value === 'string' && value !== '' ? [value] : [];
}

/** What PM2 runs from the app's directory; its modules run from elsewhere. */
export function instancesIn(live: string, all: readonly Instance[]): Instance[] {
  return all.filter(({ module, cwd }) => !module && isWithin(live, realOrSame(cwd)));
}
