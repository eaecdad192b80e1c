import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, readFileSync, realpathSync, statSync } from 'node:fs';
import { delimiter, dirname, join, resolve } from 'node:path';
import { DeployFailure } from '../system/failure.ts';

/** An installed PM2. Run it as `node bin …`: the file's own first line may find no Node. */
export interface Pm2Install {
  bin: string;
  /** The package's directory, real. */
  root: string;
  version: string;
}

export interface Surroundings {
  env: NodeJS.ProcessEnv;
  /** The Node that runs now. */
  execPath: string;
  home: string;
  /** The app's directory, which may have PM2 among its own packages. */
  workDir: string;
  /** The file that the running daemon was started from, where one runs (`daemonStart`). */
  daemon: string | null;
}

/** No PM2 is where one may be. */
export class Pm2Missing extends DeployFailure {}

/** How long a login shell may take to say where PM2 is, in milliseconds. */
const SHELL_WITHIN = 10_000;

/** Where a version manager or a package manager keeps global packages; `*` is any name, newest first. `~` is the home. */
const GLOBAL_PACKAGES = [
  '~/.nvm/versions/node/*/lib/node_modules',
  '~/.config/nvm/versions/node/*/lib/node_modules',
  '~/.local/share/fnm/node-versions/*/installation/lib/node_modules',
  '~/.fnm/node-versions/*/installation/lib/node_modules',
  '~/.volta/tools/image/packages/pm2/lib/node_modules',
  '~/.asdf/installs/nodejs/*/lib/node_modules',
  '~/.asdf/installs/nodejs/*/.npm/lib/node_modules',
  '~/.local/share/mise/installs/node/*/lib/node_modules',
  '~/.local/share/mise/installs/npm-pm2/*/lib/node_modules',
  '~/.nodenv/versions/*/lib/node_modules',
  '~/n/lib/node_modules',
  '~/.npm-global/lib/node_modules',
  '~/.npm-packages/lib/node_modules',
  '~/.local/lib/node_modules',
  '~/.local/share/pnpm/global/*/node_modules',
  // Scripts of pnpm's, the latter since version 11.
  '~/.local/share/pnpm',
  '~/.local/share/pnpm/bin',
  '~/.config/yarn/global/node_modules',
  '~/.bun/install/global/node_modules',
  '/usr/local/lib/node_modules',
  '/usr/lib/node_modules',
  '/opt/homebrew/lib/node_modules',
  '/home/linuxbrew/.linuxbrew/lib/node_modules',
  '/snap/node/current/lib/node_modules',
] as const;

/** Where the same lies when a variable of the tool's own says where. */
const MOVED = [
  ['NVM_DIR', 'versions/node/*/lib/node_modules'],
  ['FNM_DIR', 'node-versions/*/installation/lib/node_modules'],
  ['VOLTA_HOME', 'tools/image/packages/pm2/lib/node_modules'],
  ['ASDF_DATA_DIR', 'installs/nodejs/*/lib/node_modules'],
  ['MISE_DATA_DIR', 'installs/node/*/lib/node_modules'],
  ['MISE_DATA_DIR', 'installs/npm-pm2/*/lib/node_modules'],
  ['NODENV_ROOT', 'versions/*/lib/node_modules'],
  ['N_PREFIX', 'lib/node_modules'],
  ['PNPM_HOME', ''],
  ['PNPM_HOME', 'bin'],
  ['PNPM_HOME', 'global/*/node_modules'],
] as const;

/**
 * Finds PM2 and its version without running it. The daemon's own installation comes before what PATH has: a CLI of
 * another version than the daemon's is what PM2 warns of. Throws a `Pm2Missing` that lists what was tried.
 */
export function findPm2(surroundings: Surroundings): Pm2Install {
  const tried: string[] = [];
  for (const candidate of candidates(surroundings)) {
    const install = installAt(candidate);
    if (install) return install;
    tried.push(candidate);
  }
  const [other] = tried.filter((path) => existsSync(path));
  const why = other === undefined ? '' : ` ${other} is there, but leads to no installation of PM2.`;
  throw new Pm2Missing(`PM2 was not found on this host.${why}`, {
    remedy:
      'Install it for the user that deploys (npm install -g pm2), or set `pm2-version` to have the deploy install it. If it is in an unusual place, set PM2_BIN in `shell-init`.',
    output: [
      `PATH is ${surroundings.env.PATH ?? 'empty'}. Looked at:`,
      ...[...new Set(tried)].slice(0, 8),
      'where version managers keep global packages, and on the PATH of a login shell.',
    ],
  });
}

function* candidates({ env, execPath, home, workDir, daemon }: Surroundings): Generator<string> {
  if (env.PM2_BIN) yield env.PM2_BIN;
  if (daemon !== null) yield daemon;
  yield join(dirname(execPath), 'pm2');
  for (const dir of (env.PATH ?? '').split(delimiter)) if (dir !== '') yield join(dir, 'pm2');
  yield join(workDir, 'node_modules/.bin/pm2');
  for (const prefix of npmPrefixes(env, home)) yield join(prefix, 'lib/node_modules/pm2');
  for (const [name, pattern] of MOVED) {
    const place = env[name];
    if (place) yield* expand(join(place, pattern, 'pm2'));
  }
  for (const pattern of GLOBAL_PACKAGES)
    yield* expand(
      join(
        pattern.replace(/^~/, () => home),
        'pm2',
      ),
    );
  yield* fromLoginShell(env.SHELL);
}

/** What an interactive login shell knows that no other session does, between marks: start-up files print. */
function fromLoginShell(shell: string | undefined): string[] {
  if (!shell) return [];
  const ask = 'echo; echo @@; command -v pm2 || which pm2; echo @@';
  const { stdout } = spawnSync(shell, ['-lic', ask], {
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'ignore'],
    timeout: SHELL_WITHIN,
    killSignal: 'SIGKILL',
  });
  const [, answer = ''] = (stdout ?? '').split(/^@@$/m);
  return answer.split('\n').filter((line) => line.startsWith('/'));
}

/** The installation that a path belongs to: PM2's directory, a file in it, a link to one, or a small script that calls one. */
function installAt(path: string): Pm2Install | null {
  try {
    const real = realpathSync(path);
    const install = packageAround(real);
    if (install) return install;
    const called = calledBy(real);
    return called === null ? null : packageAround(realpathSync(called));
  } catch {
    return null;
  }
}

function packageAround(path: string): Pm2Install | null {
  for (let root = path; root !== dirname(root); root = dirname(root)) {
    const manifest = join(root, 'package.json');
    if (!existsSync(manifest)) continue;
    const { name, version } = JSON.parse(readFileSync(manifest, 'utf8')) as {
      name?: string;
      version?: string;
    };
    const bin = join(root, 'bin/pm2');
    return name === 'pm2' && version !== undefined && existsSync(bin) ? { bin, root, version } : null;
  }
  return null;
}

/** pnpm and others put a shell script on PATH, which names the real one relative to itself. */
function calledBy(script: string): string | null {
  const stat = statSync(script);
  if (!stat.isFile() || stat.size > 64 * 1024) return null;
  const match = /["'\s]([^"'\s]*node_modules\/pm2\/bin\/pm2)\b/.exec(readFileSync(script, 'utf8'));
  const called = match?.[1]?.replace(/^\$\{?\w+\}?/, () => dirname(script));
  return called === undefined ? null : resolve(dirname(script), called);
}

function npmPrefixes(env: NodeJS.ProcessEnv, home: string): string[] {
  let config = '';
  try {
    config = readFileSync(join(home, '.npmrc'), 'utf8');
  } catch {
    // Few have one.
  }
  const written = /^\s*prefix\s*=\s*["']?(.+?)["']?\s*$/m.exec(config)?.[1];
  return [env.npm_config_prefix, env.NPM_CONFIG_PREFIX, written]
    .filter((prefix): prefix is string => prefix !== undefined && prefix !== '')
    .map((prefix) => prefix.replace(/^~(?=\/)|\$\{HOME\}/, () => home));
}

/** The paths that a pattern stands for, the newest version first. A pattern that nothing matches stands for itself. */
function expand(pattern: string): string[] {
  const [before, after] = pattern.split('/*/', 2);
  if (before === undefined || after === undefined) return [pattern];
  try {
    const newestFirst = (a: string, b: string): number => b.localeCompare(a, 'en', { numeric: true });
    return readdirSync(before)
      .sort(newestFirst)
      .map((name) => join(before, name, after));
  } catch {
    return [pattern];
  }
}
