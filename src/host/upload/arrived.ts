import { existsSync, readdirSync, rmSync, statSync } from 'node:fs';
import { join } from 'node:path';

/** An upload that no deploy has taken in by then was given up by its runner. Milliseconds. */
const KEPT_FOR = 24 * 3_600_000;

/** Where the uploads for all apps of this user wait for their deploys: one of git's pack files for each, with its index. */
export function uploadsIn(stateRoot: string): string {
  return join(stateRoot, 'uploads');
}

export function packFile(uploads: string, deployId: string): string {
  return join(uploads, `${deployId}.pack`);
}

export function indexFile(uploads: string, deployId: string): string {
  return join(uploads, `${deployId}.idx`);
}

/** The directory of an upload while it arrives. The process is named, so that what a killed one left can be told. */
export function partOf(uploads: string, deployId: string, pid: number): string {
  return join(uploads, `${deployId}.${pid}.part`);
}

/** Removes what a deploy has not used, and what was left by sessions and deploys that are gone. */
export function sweepUploads(uploads: string, deployId: string): void {
  if (!existsSync(uploads)) return;
  for (const name of readdirSync(uploads)) {
    if (name.startsWith(`${deployId}.`) || isLeft(uploads, name))
      rmSync(join(uploads, name), { recursive: true, force: true });
  }
}

function isLeft(uploads: string, name: string): boolean {
  const pid = /\.(\d+)\.part$/.exec(name)?.[1];
  if (pid !== undefined) return !existsSync(`/proc/${pid}`);
  const stat = statSync(join(uploads, name), { throwIfNoEntry: false });
  return stat !== undefined && Date.now() - stat.mtimeMs > KEPT_FOR;
}
