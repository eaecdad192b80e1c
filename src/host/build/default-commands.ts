import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import { DeployFailure } from '../system/failure.ts';
import { isExecutable } from '../system/paths.ts';
import { choosePackageManager } from './package-managers.ts';

/** Where a step runs: in `workDir`, where the app lives in the checkout whose top is `top`. */
export interface Checkout {
  top: string;
  workDir: string;
}

/** A program with its arguments, and how both are shown. */
export interface Command {
  file: string;
  args: readonly string[];
  cwd: string;
  shown: string;
}

/** The locked install of the package manager whose lockfile is there; null if there is nothing to install. */
export function defaultInstall({ top, workDir }: Checkout, env: NodeJS.ProcessEnv): Command | null {
  const chosen = packageManagerOf(top, workDir);
  if (chosen !== null) return managed(chosen.name, chosen.install, chosen.directory, env);
  const manifest = packageJson(workDir);
  if (
    manifest === null ||
    Object.keys({ ...manifest.dependencies, ...manifest.devDependencies }).length === 0
  )
    return null;
  throw new DeployFailure('package.json has dependencies, but there is no lockfile to install them from.', {
    remedy: 'Commit package-lock.json (or the lockfile of pnpm, yarn or bun), or set install-command.',
  });
}

/** The `build` script of package.json; null if there is none. */
export function defaultBuild({ top, workDir }: Checkout, env: NodeJS.ProcessEnv): Command | null {
  if (packageJson(workDir)?.scripts?.build === undefined) return null;
  return managed(packageManagerOf(top, workDir)?.name ?? 'npm', ['run', 'build'], workDir, env);
}

/** In a monorepo the lockfile lies above the app. */
function packageManagerOf(
  top: string,
  workDir: string,
): { name: string; install: readonly string[]; directory: string } | null {
  for (let directory = workDir; ; directory = dirname(directory)) {
    const field = packageJson(directory)?.packageManager ?? null;
    const chosen = choosePackageManager({ files: filesOf(directory), field });
    if (chosen !== null) return { ...chosen, directory };
    if (relative(top, directory) === '') return null;
  }
}

/** Corepack stands in for a package manager that is not installed by itself. */
function managed(name: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Command {
  const shown = [name, ...args].join(' ');
  if (onPath(name, env) !== null) return { file: name, args, cwd, shown };
  if (name !== 'bun' && onPath('corepack', env) !== null)
    return { file: 'corepack', args: [name, ...args], cwd, shown };
  throw new DeployFailure(
    `The lockfile asks for ${name}, which is not on this host's PATH (${env.PATH ?? 'empty'}).`,
    {
      remedy: `Install it on the server ('npm install -g ${name}'), add its directory to PATH with shell-init, or set install-command and build-command.`,
    },
  );
}

/** The program that a name stands for; null if there is none. */
export function onPath(name: string, env: NodeJS.ProcessEnv): string | null {
  const directories = (env.PATH ?? '').split(delimiter).filter((directory) => directory !== '');
  return directories.map((directory) => join(directory, name)).find(isExecutable) ?? null;
}

function filesOf(directory: string): ReadonlySet<string> {
  return new Set(existsSync(directory) ? readdirSync(directory) : []);
}

interface Manifest {
  packageManager?: string;
  scripts?: Record<string, string>;
  dependencies?: Record<string, string>;
  devDependencies?: Record<string, string>;
}

function packageJson(directory: string): Manifest | null {
  const file = join(directory, 'package.json');
  if (!existsSync(file)) return null;
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Manifest;
  } catch (error) {
    throw new DeployFailure(`package.json cannot be read: ${(error as Error).message}.`);
  }
}
