import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { dirname, join, relative } from 'node:path';
import type { Context } from '../context.ts';
import { readIfThere } from '../system/durable.ts';
import { nodeAbi } from '../system/node-version.ts';
import { type Checkout, defaultInstall } from './default-commands.ts';
import { envFiles } from './env-files.ts';
import { decidesInstall, isLockfile, managersIn, whyUnrepeatable } from './install-inputs.ts';
import { managerVersion } from './manager-version.ts';

/** A key: installs with the same one make the same. Or why two installs need not make the same, as a sentence's end. */
export type InstallKey = { key: string } | { why: string };

/** Variables that package managers and well-known install scripts go by. */
const ENVIRONMENT =
  /^(npm_config_|node_|yarn_|pnpm_|bun_|corepack_|prisma_|puppeteer_|playwright_|cypress_|sharp_|electron_)|^(CI|CC|CXX|CFLAGS|CXXFLAGS|LDFLAGS|PYTHON|HOME)$/i;
/** Settings of the user, relative to the home. */
const SETTINGS = [
  ...['.npmrc', '.yarnrc', '.yarnrc.yml', '.bunfig.toml', '.config/pnpm/rc', '.config/pnpm/config.yaml'],
];

/**
 * By everything that decides what the install of this checkout makes; null if there is nothing to install. `tracked` are the
 * commit's files. Throws a `DeployFailure` if there is no command to install them by.
 */
export async function installKey(
  context: Context,
  checkout: Checkout,
  tracked: ReadonlyMap<string, string>,
): Promise<InstallKey | null> {
  const { plan, env } = context;
  const { top, workDir } = checkout;
  const step = plan.steps.install;
  const standard = step.kind === 'default' ? defaultInstall(checkout, env) : null;
  if (step.kind !== 'command' && standard === null) return null;
  const command = step.kind === 'command' ? step.command : (standard?.shown ?? '');
  const managers = managersIn(command);
  if (managers === null) return { why: 'install-command does more than to install by a package manager' };
  const paths = [...tracked.keys()].filter(decidesInstall).sort();
  const above = (path: string): boolean => !relative(join(top, dirname(path)), workDir).startsWith('..');
  if (!paths.some((path) => isLockfile(path) && above(path)))
    return { why: 'the commit has no lockfile at the app, or above it' };
  if (tracked.has('.gitmodules')) return { why: 'the commit has submodules' };
  const texts = new Map(paths.map((path) => [path, readIfThere(join(top, path)) ?? '']));
  const unrepeatable = whyUnrepeatable(texts, tracked.keys());
  if (unrepeatable !== null) return { why: unrepeatable };
  const cwd = standard?.cwd ?? workDir;
  const versions = await Promise.all(managers.map((name) => managerVersion(name, standard, cwd, env)));
  if (versions.includes(null)) return { why: `the version of ${managers.join(', ')} cannot be told` };
  const directories = [...new Set(['', plan.workingDirectory, ...paths.map((path) => dirname(path))])];
  const all = [
    // Of this list itself.
    1,
    [command, top, cwd, managers, versions],
    [process.version, nodeAbi(), process.umask(), process.geteuid?.() ?? null],
    Object.entries(env)
      .filter(([name]) => ENVIRONMENT.test(name))
      .sort(([a], [b]) => (a < b ? -1 : 1)),
    paths.map((path) => [path, tracked.get(path)]),
    envFiles(top, directories).map((path) => [path, readFileSync(join(top, path), 'base64')]),
    settingsOfUser(env, top).map((file) => [file, readable(file)]),
  ];
  return { key: createHash('sha256').update(JSON.stringify(all)).digest('hex') };
}

function settingsOfUser(env: NodeJS.ProcessEnv, top: string): string[] {
  const home = env.HOME ?? '/';
  const above: string[] = [];
  for (let directory = dirname(top); directory !== '/'; directory = dirname(directory))
    above.push(...['.yarnrc', '.yarnrc.yml', '.npmrc'].map((name) => join(directory, name)));
  const named = [env.NPM_CONFIG_USERCONFIG, env.npm_config_userconfig].flatMap((file) => file ?? []);
  const global = [join(dirname(dirname(process.execPath)), 'etc/npmrc'), '/etc/npmrc'];
  return [...SETTINGS.map((name) => join(home, name)), ...above, ...named, ...global];
}

/** What this user may not read, no package manager reads either. */
function readable(file: string): string | null {
  try {
    return readFileSync(file, 'base64');
  } catch {
    return null;
  }
}
