import { cpus } from 'node:os';
import { basename, extname, isAbsolute, resolve } from 'node:path';
import { type Check, fields, object, text } from '../system/checked.ts';
import { escaped } from '../system/escaped.ts';
import { DeployFailure } from '../system/failure.ts';
import { DEPLOY_ID, type Json } from './list.ts';

/** One app of an ecosystem file, as the user wrote it. Its `env` may be secret. */
export interface AppConfig {
  [setting: string]: Json;
}

/** One app as PM2 is given it. */
export type DeployApp = AppConfig & { name: string; cwd: string; env: Record<string, Json> };

/** What was written as JSON is JSON again: only what we rely on is looked at. */
export const deployApp: Check<DeployApp> = (value, at) => {
  const known = fields({ name: text, cwd: text, env: object })(value, at);
  return { ...(object(value, at) as AppConfig), ...known } as DeployApp;
};

/**
 * The apps of these names, or all where there are none, in the order of the file and each with the name that PM2
 * gives it. Throws a `DeployFailure` where one is not there, twice there, or lacks what PM2 needs.
 */
export function chooseApps(apps: readonly AppConfig[], names: readonly string[]): AppConfig[] {
  const named = apps.map((app) => ({ ...app, name: nameOf(app) }));
  const present = named.map((app) => app.name);
  const unknown = names.filter((name) => !present.includes(name));
  if (unknown.length > 0) {
    throw new DeployFailure(
      `The ecosystem file has no app ${list(unknown)}; it has ${present.length > 0 ? list(present) : 'none at all'}.`,
      {
        remedy:
          'Names have to match exactly, with capitals and blanks. Correct `app`, or leave it out to take all apps.',
      },
    );
  }
  const chosen = named.filter((app) => names.length === 0 || names.includes(app.name));
  if (chosen.length === 0) throw new DeployFailure('The ecosystem file has no app.');
  for (const app of chosen) {
    if (present.filter((name) => name === app.name).length > 1) {
      throw new DeployFailure(`The ecosystem file has more than one app ${list([app.name])}.`, {
        remedy: 'PM2 would give all of them the settings of the last one. Give each app its own name.',
      });
    }
    if (scriptOf(app) === null) throw new DeployFailure(`The app ${list([app.name])} has no \`script\`.`);
    // PM2 takes these for every process that it has, or for a pattern.
    if (app.name === 'all' || /^\/.*\/$/.test(app.name)) {
      throw new DeployFailure(
        `An app cannot be named ${list([app.name])}: that name means something else to PM2.`,
      );
    }
  }
  return chosen;
}

/** What PM2 starts, under any of the names that it takes; null where there is nothing. */
export function scriptOf(app: AppConfig): string | null {
  for (const key of ['script', 'exec', 'cmd', 'command']) {
    const value = app[key];
    if (typeof value === 'string' && value !== '') return value;
  }
  return null;
}

/** The file that PM2 starts, absolute; null for a bare word, which is looked up on PATH, and for a command line. */
export function scriptFile(app: DeployApp): string | null {
  const script = scriptOf(app) ?? '';
  return /^[^\s]*[/.][^\s]*$/.test(script) ? resolve(app.cwd, script) : null;
}

function nameOf(app: AppConfig): string {
  if (typeof app.name === 'string' && app.name !== '') return app.name;
  const script = scriptOf(app);
  if (app.name !== undefined && app.name !== null && app.name !== '') {
    throw new DeployFailure(
      `An app of the ecosystem file has a \`name\` that is not text: ${JSON.stringify(app.name)}.`,
    );
  }
  if (script === null)
    throw new DeployFailure('An app of the ecosystem file has neither `name` nor `script`.');
  const file = basename(script);
  const dot = file.lastIndexOf('.');
  return dot > 0 ? file.slice(0, dot) : file;
}

export interface DeployConfigOptions {
  /** Where the user would call PM2: absolute, and the path as it is written, links and all. */
  workDir: string;
  deployId: string;
  /** PM2's `--env`. */
  pm2Env: string | null;
}

/**
 * The chosen apps as PM2 is to be given them, as JSON, for a `startOrReload` with the same `--env` from any directory:
 * they come out as with the user's own file in `workDir`, and carry the deploy's id.
 * Throws a `DeployFailure` where no app knows the `pm2Env`, which PM2 would pass over.
 */
export function deployConfig(apps: readonly AppConfig[], options: DeployConfigOptions): DeployApp[] {
  const { workDir, deployId, pm2Env } = options;
  if (pm2Env !== null && !apps.some((app) => `env_${pm2Env}` in app)) {
    const known = new Set(apps.flatMap((app) => Object.keys(app).filter((key) => key.startsWith('env_'))));
    const names = [...known].map((key) => key.slice('env_'.length));
    throw new DeployFailure(
      `No chosen app has an \`env_${pm2Env}\` in the ecosystem file: ${names.length > 0 ? `there is ${list(names)}` : 'there is no `env_…` at all'}.`,
      { remedy: 'Correct `pm2-env`, or leave it out to use `env` alone.' },
    );
  }
  return apps.map((app) => {
    const { append_env_to_name: appended, ...rest } = app;
    const named = { ...rest, name: nameOf(app) };
    const result: DeployApp = {
      ...named,
      name: appended === true && pm2Env !== null ? `${named.name}-${pm2Env}` : named.name,
      cwd: typeof app.cwd === 'string' && app.cwd !== '' ? resolve(workDir, app.cwd) : workDir,
      env: { ...(isRecord(app.env) ? app.env : {}), [DEPLOY_ID]: deployId },
    };
    for (const key of ['interpreter', 'exec_interpreter', 'execInterpreter']) {
      const value = app[key];
      // PM2 looks for it from where it is called.
      if (typeof value === 'string' && value.includes('/') && !isAbsolute(value)) {
        result[key] = resolve(workDir, value);
      }
    }
    return result;
  });
}

/**
 * The same apps with `to` wherever a text names one of the directories `from`, or something in it. For a file that was
 * evaluated in another directory than the one that it will run in: `__dirname` and `process.cwd()` put it there.
 */
export function moveApps<T extends AppConfig>(apps: readonly T[], from: readonly string[], to: string): T[] {
  const patterns = from.map((path) => new RegExp(`${escaped(path)}(?![\\w.-])`, 'g'));
  const move = (value: Json): Json => {
    if (typeof value === 'string')
      return patterns.reduce((text, pattern) => text.replace(pattern, () => to), value);
    if (Array.isArray(value)) return value.map(move);
    if (value === null || typeof value !== 'object') return value;
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, move(inner)]));
  };
  return apps.map((app) => move(app) as T);
}

/** How many instances PM2 starts for an app, and in which mode. `processors` are the host's, as the daemon counts them. */
export function expectedInstances(
  app: AppConfig,
  processors: number = cpus().length,
): { count: number; mode: 'cluster' | 'fork' } {
  const asked = askedFor(app.instances);
  const count = asked === 0 ? processors : asked < 0 ? asked + processors : asked;
  return { count: Math.max(1, Math.trunc(count)), mode: modeOf(app) };
}

/** PM2's reading: text that is no number counts as `max`, which is 0. */
function askedFor(instances: Json | undefined): number {
  if (typeof instances === 'number') return instances;
  if (typeof instances === 'string') return Number.parseInt(instances, 10) || 0;
  return 1;
}

function modeOf(app: AppConfig): 'cluster' | 'fork' {
  if (app.execute_command === true) return 'fork';
  const mode = app.exec_mode ?? app.execMode;
  if (typeof mode === 'string' && mode !== '') return mode.startsWith('cluster') ? 'cluster' : 'fork';
  if (app.instances === undefined || app.instances === null) return 'fork';
  const asked = askedFor(app.instances);
  return (asked >= 1 || asked === 0 || asked === -1) && isNodeToPm2(app) ? 'cluster' : 'fork';
}

/** Whether PM2 takes the app for one of Node's: only these run in cluster mode of their own accord. */
function isNodeToPm2(app: AppConfig): boolean {
  const interpreter = app.interpreter ?? app.exec_interpreter ?? app.execInterpreter;
  if (typeof interpreter === 'string' && interpreter !== '') return /(node|bun)(@.*)?$/.test(interpreter);
  const script = scriptOf(app) ?? '';
  if (script.includes(' ')) return false;
  const suffix = extname(script);
  // A file without one may be Node's or a binary: PM2 looks inside. npm and npx are what it mostly is.
  return /^\.([cm]?js|[cm]?ts|tsx|jsx)$/.test(suffix) || /^(npm|npx|yarn|pnpm)$/.test(basename(script));
}

function isRecord(value: Json | undefined): value is { [key: string]: Json } {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function list(names: readonly string[]): string {
  return names.map((name) => JSON.stringify(name)).join(', ');
}
