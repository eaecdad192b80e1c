import {
  chmodSync,
  existsSync,
  lstatSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { dirname, join } from 'node:path';
import type { Plan } from '../../protocol.ts';
import { type Context, inform } from '../context.ts';
import { treeOf } from '../state/places.ts';
import { writeDurably } from '../system/durable.ts';
import { DeployFailure } from '../system/failure.ts';
import { isWithin, realOrSame } from '../system/paths.ts';
import { makePrivate } from '../system/private-directory.ts';

/** Where `env-file` goes, relative to the top of the checkout; null if the host's own stays. */
export function envFilePath({
  envFile,
  workingDirectory,
}: Pick<Plan, 'envFile' | 'workingDirectory'>): string | null {
  return envFile === null ? null : join(workingDirectory, envFile.path);
}

/** Writes it into the checkout at `top`, for this user alone to read. `tracked` are the commit's files. */
export function writeEnvFile(
  top: string,
  path: string,
  content: string,
  tracked: ReadonlyMap<string, string>,
): void {
  if (tracked.has(path)) {
    throw new DeployFailure(`env-file-path '${path}' is a file of the commit.`, {
      remedy: "Remove it from the repository ('git rm --cached'), or set env-file-path to another name.",
    });
  }
  const file = join(top, path);
  const directory = dirname(file);
  const isThere = existsSync(directory) && statSync(directory).isDirectory();
  if (!isThere || !isWithin(realOrSame(top), realOrSame(directory))) {
    throw new DeployFailure(`env-file-path '${path}' is in a directory that the commit does not have.`, {
      remedy: 'Set a path in a directory of the repository, relative to working-directory.',
    });
  }
  if (lstatSync(file, { throwIfNoEntry: false })?.isDirectory()) {
    throw new DeployFailure(`env-file-path '${path}' is a directory of the new version.`, {
      remedy: `Give the path of a file, such as '${path}/.env'.`,
    });
  }
  rmSync(file, { force: true });
  writeFileSync(file, content, { mode: 0o600, flag: 'wx' });
  // Whatever the umask says.
  chmodSync(file, 0o600);
}

/** Copies of replaced env files that stay, beside the first one. */
const KEPT = 10;

/**
 * To be called when the staged files have been given the owners and modes of what they replace. Takes the env file away
 * from other readers again, and keeps a copy of what it replaces. The first copy stays for good: nobody may have that
 * content anywhere else.
 */
export function guardEnvFile({ plan, places, log }: Context, staging: string): void {
  const path = envFilePath(plan);
  if (path === null) return;
  chmodSync(join(staging, path), 0o600);
  const old = contentOf(join(treeOf(places), path));
  if (old === null || old.equals(Buffer.from(plan.envFile?.content ?? ''))) return;
  const directory = join(places.state, 'env-files');
  makePrivate(directory);
  const copy = join(directory, `${new Date().toISOString().replace(/[:.]/g, '-')}-${plan.deployId}`);
  writeDurably(copy, old);
  const [, ...later] = readdirSync(directory).sort();
  for (const name of later.slice(0, -KEPT)) rmSync(join(directory, name), { force: true });
  inform(log, `env-file replaces ${path} of the server. Its old content is kept in ${copy}.`);
}

/** Bytes: not every env file is UTF-8, and a copy has to be the same. */
function contentOf(file: string): Buffer | null {
  try {
    return readFileSync(file);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return null;
    throw error;
  }
}
