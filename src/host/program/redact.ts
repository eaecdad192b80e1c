import type { DeployApp } from '../pm2/app-config.ts';

/** Shorter values are too likely to be an ordinary word of a log. */
const SHORTEST = 8;

/** Variables that say where and how a process runs, not what it must keep secret. */
const HARMLESS = new Set([
  'PATH', 'HOME', 'PWD', 'OLDPWD', 'USER', 'LOGNAME', 'SHELL', 'LANG', 'LANGUAGE', 'TERM', 'TZ', 'TMPDIR', 'HOSTNAME',
  'NODE_ENV', 'NODE_PATH', 'NODE_APP_INSTANCE', 'NVM_DIR', 'NVM_BIN', 'NVM_INC', 'MAIL', '_', 'EDITOR',
  'name', 'namespace', 'unique_id', 'status', 'exec_mode', 'exec_interpreter', 'km_link', 'vizion_running', 'pm_cwd',
  'pm_exec_path', 'pm_out_log_path', 'pm_err_log_path', 'pm_pid_path', 'axm_options', 'axm_monitor', 'axm_actions', 'axm_dynamic',
]); // biome-ignore format: a list reads best packed
const HARMLESS_PREFIX = /^(PM2_|pm_|LC_|XDG_|SSH_|npm_)/;

export interface Redactor {
  /** Values that no event may carry from now on. */
  hide(values: Iterable<string>): void;
  redact(text: string): string;
}

/** Takes secret values out of text before it becomes an event. */
export function createRedactor(): Redactor {
  const secrets = new Set<string>();
  let longestFirst: string[] = [];
  return {
    hide(values) {
      for (const value of values) {
        // A value of several lines is printed line by line.
        for (const part of [value, ...value.split(/\r\n|\r|\n/)]) {
          const trimmed = part.trim();
          if (trimmed.length >= SHORTEST) secrets.add(trimmed);
        }
      }
      longestFirst = [...secrets].sort((a, b) => b.length - a.length);
    },
    redact: (text) => longestFirst.reduce((rest, secret) => rest.split(secret).join('***'), text),
  };
}

/** The values of an environment that may be secret. */
export function secretsOfEnvironment(env: Readonly<Record<string, string>>): string[] {
  return Object.keys(env)
    .filter((name) => !HARMLESS.has(name) && !HARMLESS_PREFIX.test(name))
    .map((name) => env[name] ?? '')
    .filter((value) => typeof value === 'string');
}

/** The values of a `.env` file, in the forms that dotenv takes. */
export function secretsOfEnvFile(text: string): string[] {
  const assignment =
    /^[ \t]*(?:export[ \t]+)?[\w.-]+[ \t]*[=:][ \t]*(?:"((?:\\.|[^"\\])*)"|'([^']*)'|`([^`]*)`|([^\r\n]*))/gm;
  return [...text.matchAll(assignment)].flatMap(([, double, single, back, plain]) => {
    const value = double ?? single ?? back ?? plain ?? '';
    // dotenv ends an unquoted value at ` #`; without the comment it is what the app prints.
    const values = plain === undefined ? [value] : [value, value.replace(/\s+#.*$/, '')];
    return double === undefined ? values : [...values, double.replace(/\\n/g, '\n').replace(/\\"/g, '"')];
  });
}

/** The secrets of an app's `env` and of every `env_<name>`. */
export function secretsOfApp(app: DeployApp): string[] {
  const found = Object.entries(app).filter(([key]) => key === 'env' || key.startsWith('env_'));
  return found.flatMap(([, env]) =>
    secretsOfEnvironment(
      Object.fromEntries(Object.entries(env ?? {}).map(([name, value]) => [name, String(value)])),
    ),
  );
}
