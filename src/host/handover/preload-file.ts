import { createHash } from 'node:crypto';
import { chmodSync, mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { PRELOAD_DIRECTORY } from '../pm2/preload-args.ts';
import { readIfThere, writeDurably } from '../system/durable.ts';
import { PRELOAD } from './handover-preload.ts';

/** What the host program and the preload agree on, SIGURG and the descriptors; raised when that changes. */
const AGREEMENT = 1;

const hash = createHash('sha256').update(PRELOAD).digest('hex').slice(0, 8);

/** The path of a preload that can be spoken with, as a process has it open. */
export const PRELOAD_OPENED = new RegExp(
  `/${PRELOAD_DIRECTORY}/handover-${AGREEMENT}-\\w+\\.cjs( \\(deleted\\))?$`,
);

/**
 * Puts the preload into PM2's own directory, where PM2's list is too, and gives its path. Each text has a file of its own
 * that is never changed or removed: apps that were started with it are started with it again after months.
 */
export function installPreload(pm2Home: string): string {
  const directory = join(pm2Home, PRELOAD_DIRECTORY);
  const file = join(directory, `handover-${AGREEMENT}-${hash}.cjs`);
  if (readIfThere(file) !== PRELOAD) {
    mkdirSync(directory, { recursive: true });
    writeDurably(file, PRELOAD);
  }
  // An app may run as another user.
  chmodSync(directory, 0o755);
  chmodSync(file, 0o644);
  return file;
}
