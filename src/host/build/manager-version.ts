import { readFileSync, realpathSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { run } from '../system/command.ts';
import { type Command, onPath } from './default-commands.ts';

const TOLD_WITHIN = 20_000;

/** The version of the package manager that a command in `cwd` runs; null if it does not tell. */
export async function managerVersion(
  name: string,
  standard: Command | null,
  cwd: string,
  env: NodeJS.ProcessEnv,
): Promise<string | null> {
  const [file, args] = standard?.file === 'corepack' ? ['corepack', [name]] : [name, []];
  const written = file === 'npm' ? npmVersion(onPath(file, env)) : null;
  if (written !== null) return written;
  const options = { cwd, env, timeLimit: TOLD_WITHIN, keep: 1000 };
  const result = await run(file, [...args, '--version'], options).catch(() => null);
  return result?.code === 0 ? result.stdout.trim() : null;
}

/**
 * As npm's own package says: to ask npm takes as long as to copy a small install. Null for a file that only stands for npm,
 * such as a version manager's, and may choose another one in each directory.
 */
function npmVersion(file: string | null): string | null {
  try {
    const directory = dirname(dirname(realpathSync(file ?? '')));
    const { name, version } = JSON.parse(readFileSync(join(directory, 'package.json'), 'utf8'));
    return name === 'npm' && typeof version === 'string' ? version : null;
  } catch {
    return null;
  }
}
