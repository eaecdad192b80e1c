import { lstatSync, mkdirSync, readlinkSync, statSync } from 'node:fs';
import { DeployFailure } from './failure.ts';

/** What `lstat` tells of a place. `mode` holds the permission bits alone. */
interface Found {
  kind: 'directory' | 'file' | `link to ${string}`;
  mode: number;
  uid: number;
}

/**
 * Makes directories that only the deploying user can enter. One that is there already must be such a directory.
 * Throws a `DeployFailure` otherwise: another user may have made it first, to have a say in the deploy.
 */
export function makePrivate(...directories: string[]): void {
  for (const directory of directories) {
    try {
      mkdirSync(directory, { recursive: true, mode: 0o700 });
    } catch (error) {
      if (found(directory) === null) throw error;
    }
    requirePrivate(directory);
  }
}

/**
 * Refuses what stands in the place of a private directory of this user, with a `DeployFailure`. Nothing at all is not
 * refused. To be asked again before each use that trusts the content: whoever may write to the parent can exchange it.
 */
export function requirePrivate(...directories: string[]): void {
  const own = process.geteuid?.() ?? -1;
  for (const directory of directories) {
    const there = found(directory);
    const why = there === null ? null : refusal(there, own);
    if (there === null || why === null) continue;
    const isOurs = there.kind === 'directory' && there.uid === own;
    throw new DeployFailure(
      `${directory} ${why}. Its content cannot be trusted, so nothing was done with it.`,
      {
        remedy: isOurs
          ? `Look for files there that are not yours: 'ls -la ${directory}'. Then close it with 'chmod 700 ${directory}', and run the job again.`
          : `Another user of this host may have made it. Look at it with 'ls -ld ${directory}', move it away, and run the job again.`,
      },
    );
  }
}

/**
 * Refuses a directory in which a user other than this one and root could exchange files, with a `DeployFailure`. Unlike a
 * private directory it may be a link, and others may read it, or write to it by its group. Nothing at all is not refused.
 */
export function requireTrustworthy(directory: string, what: string): void {
  const stat = statSync(directory, { throwIfNoEntry: false });
  if (stat === undefined) return;
  const own = process.geteuid?.() ?? -1;
  if (stat.uid !== own && stat.uid !== 0) {
    throw new DeployFailure(
      `${directory} (${what}) belongs to the user with id ${stat.uid}, but the deploy runs as the user with id ${own}.`,
      { remedy: 'Deploy as its owner: set username to that user.' },
    );
  }
  if ((stat.mode & 0o002) === 0) return;
  throw new DeployFailure(`${directory} (${what}) can be written by every user of this host.`, {
    remedy: `Look for files there that are not yours: 'ls -la ${directory}'. Then close it with 'chmod o-w ${directory}', and run the job again.`,
  });
}

/** Why a place is no private directory of the user with the id `own`; null if it is one. */
export function refusal({ kind, mode, uid }: Found, own: number): string | null {
  if (kind === 'file') return 'is no directory';
  if (kind !== 'directory') return `is a ${kind}, not a directory`;
  if (uid !== own)
    return `belongs to the user with id ${uid}, but the deploy runs as the user with id ${own}`;
  if ((mode & 0o077) === 0) return null;
  return `is open to other users: its mode is ${mode.toString(8).padStart(4, '0')}, and must be 0700`;
}

function found(path: string): Found | null {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return null;
  const kind = stat.isSymbolicLink()
    ? (`link to ${readlinkSync(path)}` as const)
    : stat.isDirectory()
      ? 'directory'
      : 'file';
  return { kind, mode: stat.mode & 0o7777, uid: stat.uid };
}
