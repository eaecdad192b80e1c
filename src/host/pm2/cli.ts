import { rmSync, writeFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { type CommandResult, run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { type AppConfig, type DeployApp, expectedInstances } from './app-config.ts';
import type { Pm2Install } from './find.ts';
import type { Instance } from './list.ts';
import { killTimeoutIn, listenTimeoutOf } from './timeouts.ts';
import { WHOLE_RELOAD } from './whole-reload.ts';

export interface ReloadOptions {
  pm2: Pm2Install;
  /** The Node that runs PM2's CLI, and the daemon where none runs yet. */
  node: string;
  apps: readonly DeployApp[];
  /** By app, the variables that instances which run now have, and are not to have any more. */
  removed: Readonly<Record<string, readonly string[]>>;
  /** PM2's `--env`. */
  pm2Env: string | null;
  /** PM2's id of the one instance that is to be reloaded or started; all of these apps where it is left out. */
  only?: number;
  /** What of these apps runs now: it takes time to stop. */
  running: readonly Instance[];
  pm2Home: string;
  /** From `pm2Environment`. */
  env: NodeJS.ProcessEnv;
  /** A directory of ours that nobody else can enter: the config is there, with its secrets, while PM2 reads it. */
  dir: string;
  /** A directory that no swap moves. A daemon that is started keeps it as its own. */
  cwd: string;
  /** The open locks that PM2's CLI is to hold as long as it lives. */
  holds?: readonly number[];
  onLine?: (line: string) => void;
}

/** A reload that goes on. */
export interface Reload {
  /** How PM2's CLI ended. Its code says nothing good: PM2 ends with 0 for every failure at run time. */
  done: Promise<CommandResult>;
  /** Ends PM2's CLI, which drives the reload: instances that it has not touched yet stay as they are. */
  abort(): void;
}

/** PM2 tells what a config is by a `.json` anywhere in its path. */
const CONFIG = 'pm2-ssh-deploy.json';

/** For the CLI's start, the daemon's, and a slow host: this limit is only against a hang. */
const MARGIN = 30_000;

/**
 * Has PM2 start the apps, or reload those that it runs: one config of ours, all apps in it, and no name on the command
 * line. After a reload an app is as a fresh start would make it, but for the number of its instances and their mode.
 */
export function startOrReload(options: ReloadOptions): Reload {
  const { pm2, node, apps, removed, pm2Env, only, running, pm2Home, env, dir, cwd, holds, onLine } = options;
  const config = join(dir, CONFIG);
  const hook = join(dir, 'pm2-ssh-deploy-reload.js');
  const abort = new AbortController();
  const go = async (): Promise<CommandResult> => {
    for (const file of [config, hook]) rmSync(file, { force: true });
    const logs = Object.fromEntries(running.map((one) => [one.pmId, logNumber(one)]));
    const whole = { pm2Root: pm2.root, removed, logs, only: only ?? null };
    writeFileSync(config, JSON.stringify({ apps, whole }), { mode: 0o600, flag: 'wx' });
    writeFileSync(hook, WHOLE_RELOAD, { mode: 0o600, flag: 'wx' });
    try {
      return await run(
        node,
        [
          ...['--require', hook, pm2.bin, 'startOrReload', config, '--no-color'],
          ...(pm2Env === null ? [] : ['--env', pm2Env]),
        ],
        {
          cwd,
          // Without the latter a first daemon looks up PM2's newest version, which takes 10 s where there is no DNS.
          env: { ...env, PM2_HOME: pm2Home, PM2_DISCRETE_MODE: 'true' },
          timeLimit: reloadTimeLimit(apps, running, pm2.version),
          cancel: abort.signal,
          ...(holds === undefined ? {} : { holds }),
          ...(onLine === undefined ? {} : { onLine }),
        },
      );
    } finally {
      for (const file of [config, hook]) rmSync(file, { force: true });
    }
  };
  return { done: go(), abort: () => abort.abort() };
}

/** Whether these are the arguments of a command that `startOrReload` has started. */
export function isStartOrReload(argv: readonly string[]): boolean {
  const config = argv[argv.indexOf('startOrReload') + 1] ?? '';
  return argv.includes('startOrReload') && basename(config) === CONFIG;
}

/** PM2 numbers log files by its id when it starts an app; an instance that took over from another has the other's. */
function logNumber({ pmId, outLogPath, errLogPath }: Instance): number {
  const [, number] = /-(\d+)\.log$/.exec(outLogPath ?? '') ?? /-(\d+)\.log$/.exec(errLogPath ?? '') ?? [];
  return number === undefined ? pmId : Number(number);
}

/**
 * How long a `startOrReload` may take, in milliseconds, with every instance as slow as its own limits let it be.
 * PM2 before 7 waits for `listen_timeout` twice where an app has `wait_ready`.
 */
export function reloadTimeLimit(
  apps: readonly DeployApp[],
  running: readonly Instance[],
  pm2Version: string,
): number {
  return apps.reduce((sum, app) => {
    const now = running.filter(({ name }) => name === app.name);
    const count = Math.max(now.length, expectedInstances(app).count);
    return sum + count * swapTimeLimit(app, now, pm2Version);
  }, MARGIN);
}

/** How long PM2 may take to replace one instance of an app, in milliseconds. */
export function swapTimeLimit(app: AppConfig, running: readonly Instance[], pm2Version: string): number {
  // The old instances are killed by their own limit, the new ones' may differ.
  const kill = Math.max(killTimeoutIn(app), ...running.map((one) => one.killTimeout ?? 0));
  return readyTimeLimit(app, pm2Version) + kill;
}

/** How long PM2 waits for a new instance before it ends the old one, in milliseconds. */
export function readyTimeLimit(app: AppConfig, pm2Version: string): number {
  const waits = Number.parseInt(pm2Version, 10) < 7 && app.wait_ready === true ? 2 : 1;
  return waits * listenTimeoutOf(app);
}

/** PM2's command ends with 0 even where apps fail: any other end means that it did not do its work at all. */
export function reloadFailure(result: CommandResult): DeployFailure {
  const how =
    result.stopped !== null
      ? 'did not end in time and was stopped'
      : `ended with ${result.code === null ? result.signal : `exit code ${result.code}`}`;
  return new DeployFailure(`PM2's command ${how}.`, { output: result.tail });
}
