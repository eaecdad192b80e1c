import { statSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { ALL_OF_IT, type CommandResult, run } from '../system/command.ts';
import { DeployFailure } from '../system/failure.ts';
import { exists, isWritable } from '../system/paths.ts';

export interface InstallOptions {
  /** `7`, `7.0` or `7.0.4`. */
  wanted: string;
  env: NodeJS.ProcessEnv;
  home: string;
  /** Milliseconds. */
  timeLimit: number;
  cancel: AbortSignal;
  onLine: (line: string) => void;
}

/**
 * Installs PM2 as `npm install --global` does, where `findPm2` finds it from then on. Gives the prefix that it went to:
 * npm's own one, or `~/.local` if this user may not write there. Nothing is ever done as root.
 */
export async function installPm2(options: InstallOptions): Promise<string> {
  const own = await npm(['prefix', '--global'], { ...options, onLine: () => {} });
  if (own.code !== 0) throw npmFailure(own, options);
  const prefix = mayInstallIn(own.stdout.trim()) ? own.stdout.trim() : join(options.home, '.local');
  const args = [
    'install',
    '--global',
    '--prefix',
    prefix,
    '--no-audit',
    '--no-fund',
    `pm2@${options.wanted}`,
  ];
  const result = await npm(args, options);
  if (result.code !== 0) throw npmFailure(result, options);
  return prefix;
}

/** Whether `version` is one of those that `wanted` names. */
export function isOfVersion(version: string, wanted: string): boolean {
  return version === wanted || version.startsWith(`${wanted}.`);
}

async function npm(
  args: string[],
  { env, home, timeLimit, cancel, onLine }: InstallOptions,
): Promise<CommandResult> {
  let result: CommandResult;
  try {
    result = await run('npm', args, { cwd: home, env, timeLimit, cancel, onLine, keep: ALL_OF_IT });
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
    throw new DeployFailure('PM2 is not on this host, and npm is not either, so PM2 cannot be installed.', {
      remedy: "Install npm on the server, for example with 'apt-get install npm', and run the job again.",
      cause: error,
    });
  }
  if (result.stopped === 'cancelled') throw cancel.reason;
  return result;
}

/** Both places that npm writes to, or what they are to be made in. */
function mayInstallIn(prefix: string): boolean {
  return [join(prefix, 'lib', 'node_modules'), join(prefix, 'bin')].every((directory) => {
    let there = directory;
    while (!exists(there)) there = dirname(there);
    return statSync(there).isDirectory() && isWritable(there);
  });
}

const UNKNOWN = /\b(ETARGET|E404)\b/;
const UNREACHABLE =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT)\b|CERT/;

function npmFailure(
  { stopped, code, tail }: CommandResult,
  { wanted, timeLimit }: InstallOptions,
): DeployFailure {
  const text = tail.join('\n');
  const byHand = `Or install PM2 by hand ('npm install --global pm2@${wanted}').`;
  if (UNKNOWN.test(text)) {
    return new DeployFailure(`npm's registry has no PM2 ${wanted} (pm2-version).`, {
      remedy:
        "Set pm2-version to a version that 'npm view pm2 versions' lists, or to its first number alone.",
      output: tail,
    });
  }
  if (stopped === 'time limit' || UNREACHABLE.test(text)) {
    const how = stopped === null ? '' : ` within ${Math.round(timeLimit / 1000)} s (command-timeout)`;
    return new DeployFailure(`npm could not get PM2 from its registry${how}.`, {
      remedy: `Let the server reach the registry: 'npm ping' there tells whether it does. ${byHand}`,
      output: tail,
    });
  }
  return new DeployFailure(`npm could not install PM2 ${wanted} (exit code ${code}).`, {
    remedy: `npm's own lines say why. ${byHand}`,
    output: tail,
  });
}
