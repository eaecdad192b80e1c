import { accessSync, constants, existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { delimiter, dirname, join, relative } from 'node:path';
import type { BuildStep } from '../../protocol.ts';
import { type CommandResult, run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { choosePackageManager } from './package-managers.ts';

export interface BuildOptions {
  /** The top of the checkout that is built, and where the app lives in it. */
  staging: string;
  workDir: string;
  env: NodeJS.ProcessEnv;
  timeLimit: number;
  cancel: AbortSignal;
  /** Where a user's command is put for the shell to read, so that it is in no argument list. Private. */
  scratch: string;
  onLine: (line: string) => void;
}

/** What is to be run, and where; null where there is nothing to do. */
type Step = { file: string; args: readonly string[]; cwd: string; shown: string } | null;

export async function install(step: BuildStep, options: BuildOptions): Promise<string> {
  return carryOut(
    'install',
    step.kind === 'default' ? defaultInstall(options) : custom('install', step, options),
    options,
  );
}

export async function build(step: BuildStep, options: BuildOptions): Promise<string> {
  return carryOut(
    'build',
    step.kind === 'default' ? defaultBuild(options) : custom('build', step, options),
    options,
  );
}

/** Resolves with a sentence for the log. */
async function carryOut(name: 'install' | 'build', step: Step, options: BuildOptions): Promise<string> {
  if (step === null) return `Nothing to ${name}.`;
  const result = await run(step.file, step.args, {
    cwd: step.cwd,
    env: options.env,
    timeLimit: options.timeLimit,
    cancel: options.cancel,
    onLine: options.onLine,
    reap: true,
  });
  if (result.stopped === 'cancelled') throw options.cancel.reason;
  if (result.code !== 0) throw stepFailure(name, step.shown, result, options);
  return `${step.shown}: ${(result.durationMs / 1000).toFixed(1)} s.`;
}

function stepFailure(
  name: 'install' | 'build',
  shown: string,
  result: CommandResult,
  options: BuildOptions,
): Error {
  const how =
    result.stopped === 'time limit'
      ? `did not end within ${Math.round(options.timeLimit / 1000)} s (command-timeout) and was stopped`
      : result.code === null
        ? `was ended by ${result.signal}`
        : `ended with exit code ${result.code}`;
  const memory = result.signal === 'SIGKILL' && result.stopped === null;
  return new DeployFailure(`The ${name} command '${shown}' ${how}.`, {
    output: result.tail,
    ...(memory
      ? {
          remedy:
            "Often the kernel ends a build that way when memory runs out: see 'dmesg | tail' on the server.",
        }
      : {}),
  });
}

/** A user's command is a script of its own: its first failing line ends it. */
function custom(name: string, step: BuildStep, { scratch, workDir, env }: BuildOptions): Step {
  if (step.kind !== 'command') return null;
  const script = join(scratch, `${name}-command.sh`);
  rmSync(script, { force: true });
  writeFileSync(script, `${step.command}\n`, { mode: 0o600 });
  return {
    file: onPath('bash', env) ? 'bash' : 'sh',
    args: ['-e', script],
    cwd: workDir,
    shown: firstLine(step.command),
  };
}

function defaultInstall({ staging, workDir, env }: BuildOptions): Step {
  const chosen = packageManagerOf(staging, workDir);
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

function defaultBuild({ staging, workDir, env }: BuildOptions): Step {
  if (packageJson(workDir)?.scripts?.build === undefined) return null;
  return managed(packageManagerOf(staging, workDir)?.name ?? 'npm', ['run', 'build'], workDir, env);
}

/** In a monorepo the lockfile lies above the app. */
function packageManagerOf(
  staging: string,
  workDir: string,
): { name: string; install: readonly string[]; directory: string } | null {
  for (let directory = workDir; ; directory = dirname(directory)) {
    const field = packageJson(directory)?.packageManager ?? null;
    const chosen = choosePackageManager({ files: filesOf(directory), field });
    if (chosen !== null) return { ...chosen, directory };
    if (relative(staging, directory) === '') return null;
  }
}

/** Corepack stands in for a package manager that is not installed by itself. */
function managed(name: string, args: readonly string[], cwd: string, env: NodeJS.ProcessEnv): Step {
  const shown = [name, ...args].join(' ');
  if (onPath(name, env)) return { file: name, args, cwd, shown };
  if (name !== 'bun' && onPath('corepack', env))
    return { file: 'corepack', args: [name, ...args], cwd, shown };
  throw new DeployFailure(
    `The lockfile asks for ${name}, which is not on this host's PATH (${env.PATH ?? 'empty'}).`,
    {
      remedy: `Install it on the server ('npm install -g ${name}'), add its directory to PATH with shell-init, or set install-command and build-command.`,
    },
  );
}

function onPath(name: string, env: NodeJS.ProcessEnv): boolean {
  return (env.PATH ?? '').split(delimiter).some((directory) => {
    try {
      accessSync(join(directory, name), constants.X_OK);
      return directory !== '';
    } catch {
      return false;
    }
  });
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

function firstLine(command: string): string {
  const [first = '', ...rest] = command.trim().split('\n');
  return rest.length > 0 ? `${first} …` : first;
}
