import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';

const GONE_WITHIN = 10_000;

/**
 * Kills every process that has `home` as its HOME or anything below it as its PM2_HOME or directory: all that ever
 * started in a host of the rig, detached or not. Throws an Error where one cannot be killed.
 */
export async function killAllOf(home: string): Promise<void> {
  const deadline = Date.now() + GONE_WITHIN;
  for (let found = processesOf(home); found.length > 0; found = processesOf(home)) {
    if (Date.now() > deadline) throw new Error(`processes of ${home} cannot be ended: ${found.join(' ')}`);
    for (const pid of found) {
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/** Pids of the processes that `killAllOf` means; none where there is no /proc to read them from. */
export function processesOf(home: string): number[] {
  if (!existsSync('/proc/self/environ')) return [];
  const pids = readdirSync('/proc').filter((name) => /^\d+$/.test(name));
  return pids.filter((pid) => Number(pid) !== process.pid && belongsTo(pid, home)).map(Number);
}

function belongsTo(pid: string, home: string): boolean {
  try {
    const environment = readFileSync(`/proc/${pid}/environ`, 'utf8').split('\0');
    if (environment.some((entry) => entry === `HOME=${home}` || entry.startsWith(`PM2_HOME=${home}/`)))
      return true;
    const cwd = readlinkSync(`/proc/${pid}/cwd`);
    return cwd === home || cwd.startsWith(`${home}/`);
  } catch {
    // It has ended meanwhile, or is another user's.
    return false;
  }
}
