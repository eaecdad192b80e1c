import type { DeployApp } from '../pm2/app-config.ts';
import { LONGEST_LINE } from '../system/line-splitter.ts';

/** Shorter values are too likely to be an ordinary word of a log. */
const SHORTEST = 8;

/** Forms of values that say where and how a process runs. A URL, and what holds a password in it, fits none of them. */
const PATHS = /^[/.~][^\s:]*(?::[/.~]?[^\s:]*)*$/;
const WORDS = /^[\w.,@+/ -]{0,80}$/;
const NAMES = /^[\w.:,@+/ -]{0,80}$/;
const ADDRESS = /^[\da-fA-F.:]+(?:%\w+)?(?: [\da-fA-F.:]+(?:%\w+)?){1,3}$/;
const AGENT = /^[\w.-]+\/[\w.-]+(?: [\w.-]+\/[\w.-]+| [\w-]+)*$/;

/**
 * Variables that every shell, npm or PM2 itself sets, by their exact names, each with the form that its value has then.
 * Any other variable is the app's own, and so is one of these names with another value.
 */
const HARMLESS = new Map<string, RegExp>([
  ...named(PATHS, 'PATH', 'HOME', 'PWD', 'OLDPWD', 'SHELL', 'TMPDIR', 'MAIL', '_', 'NODE_PATH', 'NVM_DIR', 'NVM_BIN', 'NVM_INC'),
  ...named(PATHS, 'SSH_TTY', 'SSH_AUTH_SOCK', 'XDG_RUNTIME_DIR', 'XDG_CONFIG_HOME', 'XDG_CACHE_HOME', 'XDG_DATA_HOME'),
  ...named(PATHS, 'XDG_STATE_HOME', 'XDG_CONFIG_DIRS', 'XDG_DATA_DIRS', 'PM2_HOME', 'INIT_CWD', 'PM2_SSH_DEPLOY_CANARY'),
  ...named(PATHS, 'pm_cwd', 'pm_exec_path', 'pm_out_log_path', 'pm_err_log_path', 'pm_log_path', 'pm_pid_path'),
  ...named(PATHS, 'npm_execpath', 'npm_node_execpath', 'npm_package_json', 'npm_config_prefix', 'npm_config_cache'),
  ...named(PATHS, 'npm_config_local_prefix', 'npm_config_global_prefix', 'npm_config_userconfig', 'npm_config_globalconfig'),
  ...named(PATHS, 'npm_config_init_module', 'npm_config_node_gyp'),
  ...named(WORDS, 'USER', 'LOGNAME', 'LANG', 'LANGUAGE', 'TERM', 'TZ', 'HOSTNAME', 'EDITOR', 'NODE_ENV', 'NODE_APP_INSTANCE'),
  ...named(WORDS, 'LC_ALL', 'LC_CTYPE', 'LC_NUMERIC', 'LC_TIME', 'LC_COLLATE', 'LC_MONETARY', 'LC_MESSAGES', 'LC_PAPER'),
  ...named(WORDS, 'LC_NAME', 'LC_ADDRESS', 'LC_TELEPHONE', 'LC_MEASUREMENT', 'LC_IDENTIFICATION'),
  ...named(WORDS, 'XDG_SESSION_ID', 'XDG_SESSION_TYPE', 'XDG_SESSION_CLASS', 'XDG_SESSION_DESKTOP', 'XDG_CURRENT_DESKTOP'),
  ...named(WORDS, 'XDG_SEAT', 'XDG_VTNR', 'npm_command', 'npm_package_name', 'npm_package_version'),
  ...named(WORDS, 'npm_lifecycle_script', 'npm_config_npm_version', 'npm_config_noproxy'),
  ...named(WORDS, 'PM2_USAGE', 'PM2_INTERACTOR_PROCESSING', 'PM2_JSON_PROCESSING', 'PM2_PROGRAMMATIC', 'PM2_SILENT'),
  ...named(WORDS, 'PM2_DISCRETE_MODE', 'PM2_SSH_DEPLOY_ID', 'unique_id', 'status', 'exec_mode'),
  ...named(WORDS, 'exec_interpreter', 'km_link', 'vizion_running', 'pm_id', 'pm_uptime'),
  ...named(NAMES, 'npm_lifecycle_event', 'name', 'namespace'),
  ...named(ADDRESS, 'SSH_CLIENT', 'SSH_CONNECTION'),
  ...named(AGENT, 'npm_config_user_agent'),
]); // biome-ignore format: a list reads best packed

function named(form: RegExp, ...names: string[]): [string, RegExp][] {
  return names.map((name) => [name, form]);
}

/** What stands before the host of an address, whoever prints it. The `git` of an ssh address is in all documentation. */
const LOGIN = /\/\/(?!git@)[^\s/]*@/g;

export interface Redactor {
  /** Values that no event may carry from now on. */
  hide(values: Iterable<string>): void;
  redact(text: string): string;
}

/** Takes secret values out of text before it becomes an event. */
export function createRedactor(): Redactor {
  const secrets = new Set<string>();
  // A text has few of them. By its beginnings that is found out at once, however many there are.
  const byBeginning = new Map<string, string[]>();
  const mayBeIn = (text: string): string[] => {
    const found = new Set<string>();
    for (let at = 0; secrets.size > 0 && at + SHORTEST <= text.length; at += 1)
      for (const secret of byBeginning.get(text.slice(at, at + SHORTEST)) ?? []) found.add(secret);
    return [...found].sort((a, b) => b.length - a.length);
  };
  const add = (secret: string): void => {
    if (secrets.has(secret)) return;
    secrets.add(secret);
    const beginning = secret.slice(0, SHORTEST);
    byBeginning.set(beginning, [...(byBeginning.get(beginning) ?? []), secret]);
  };
  return {
    hide(values) {
      for (const value of values) {
        // A value of several lines is printed line by line.
        for (const part of [value, ...value.split(/\r\n|\r|\n/)]) {
          const trimmed = part.trim();
          if (trimmed.length >= SHORTEST) for (const form of formsOf(trimmed)) add(form);
        }
      }
    },
    redact(text) {
      const whole = mayBeIn(text).reduce((rest, secret) => rest.split(secret).join('***'), text);
      const known = text.length < LONGEST_LINE ? whole : withoutBegun(whole, [...secrets]);
      return known.replace(LOGIN, '//***@');
    },
  };
}

/** A secret as it is, and as JSON, an inspected object, a URL, a form or a header shows it. */
function formsOf(secret: string): string[] {
  const json = JSON.stringify(secret).slice(1, -1);
  const bytes = Buffer.from(secret);
  const base64 = bytes.toString('base64');
  const url = encoded(secret);
  return [
    ...[secret, json, JSON.stringify(json).slice(1, -1), secret.replace(/['\\]/g, '\\$&')],
    ...[
      url,
      url.replace(/%../g, (code) => code.toLowerCase()),
      new URLSearchParams({ '': secret }).toString().slice(1),
    ],
    ...[base64, base64.replace(/=+$/, ''), bytes.toString('base64url')],
  ].filter((form) => form.length >= SHORTEST);
}

/** As `encodeURIComponent`, which throws for half a character. */
function encoded(secret: string): string {
  const codes = (sign: string): string =>
    Buffer.from(sign).toString('hex').replace(/../g, '%$&').toUpperCase();
  return secret.replace(/[^\w.!~*'()-]+/g, codes);
}

/** A line that was cut may end in the first part of a secret. */
function withoutBegun(text: string, secrets: readonly string[]): string {
  const begun = secrets.map((secret) => {
    let length = Math.min(secret.length - 1, text.length);
    while (length > 0 && !text.endsWith(secret.slice(0, length))) length -= 1;
    return length;
  });
  const longest = Math.max(0, ...begun);
  return longest === 0 ? text : `${text.slice(0, -longest)}***`;
}

/** The values of an environment that may be secret. */
export function secretsOfEnvironment(env: Readonly<Record<string, string>>): string[] {
  return Object.keys(env)
    .filter((name) => typeof env[name] === 'string' && HARMLESS.get(name)?.test(env[name]) !== true)
    .map((name) => env[name] ?? '');
}

/** `NAME=`, exported or not. A byte order mark is a space, for dotenv too. */
const NAME = /^[^\S\r\n]*(?:export[^\S\r\n]+)?[\w.-]+[^\S\r\n]*[=:][^\S\r\n]*/.source;
const QUOTED = new RegExp(`${NAME}(?:"((?:\\\\.|[^"\\\\])*)"|'([^']*)'|\`([^\`]*)\`)`, 'gm');
const ON_ONE_LINE = new RegExp(`${NAME}([^\\r\\n]*)`, 'gm');

/** The values of a `.env` file, in the forms that dotenv and its like take: they differ in what ends a value. */
export function secretsOfEnvFile(text: string): string[] {
  const quoted = [...text.matchAll(QUOTED)].map(([, double, single, back]) => double ?? single ?? back ?? '');
  const lines = [...text.matchAll(ON_ONE_LINE)].flatMap(([, value = '']) => [
    value,
    value.replace(/\s+#.*$/, ''),
    value.replace(/#.*$/, ''),
    value.replace(/^(['"`])(.*)\1.*$/, '$2'),
  ]);
  return [...quoted, ...lines].flatMap((value) => {
    const broken = value.replace(/\\n/g, '\n');
    return [value, broken, broken.replace(/\\(.)/g, '$1')];
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

/** The query of a URL, and each value in it that is not a plain word. */
export function secretsOfUrl(url: string): string[] {
  const [, query = ''] = /^[^?#]*\?([^#]*)/.exec(url) ?? [];
  const values = query.split('&').map((pair) => pair.slice(pair.indexOf('=') + 1));
  const decoded = [...new URLSearchParams(query)].map(([name, value]) => value || name);
  return [query, ...[...values, ...decoded].filter((value) => !/^[a-z]*$/i.test(value))];
}
