import { existsSync, readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { poll } from './poll.ts';

const GONE_WITHIN = 30_000;

/**
 * Kills every process that has `home` as its HOME or anything below it as its PM2_HOME or directory: all that ever
 * started in a host of the rig, detached or not. Throws an Error where one cannot be killed.
 */
export async function killAllOf(home: string): Promise<void> {
  const deadline = Date.now() + GONE_WITHIN;
  const killed = new Set<number>();
  for (;;) {
    const found = processesOf(home);
    const left = [...found, ...[...killed].filter((pid) => !hasEnded(pid))];
    if (left.length === 0) return;
    if (Date.now() > deadline) throw new Error(`processes of ${home} cannot be ended: ${left.join(' ')}`);
    for (const pid of found) {
      killed.add(pid);
      try {
        process.kill(pid, 'SIGKILL');
      } catch {
        // It has ended by itself.
      }
    }
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
}

/**
 * Whether none of its threads runs any more. A process that is killed gives its memory back first, and with it the
 * environment that tells its home. Its files stay open until the last thread has ended: their disk cannot be unmounted.
 */
function hasEnded(pid: number): boolean {
  try {
    return readdirSync(`/proc/${pid}/task`).every((thread) => isDead(`/proc/${pid}/task/${thread}`));
  } catch {
    return true;
  }
}

function isDead(thread: string): boolean {
  try {
    const stat = readFileSync(`${thread}/stat`, 'utf8');
    return 'ZX'.includes(stat.charAt(stat.lastIndexOf(')') + 2));
  } catch {
    return true;
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

/** The pid of the host program that works there; throws where none or several do. */
export function hostProgramOf(directory: string): number {
  const found = processesOf(directory).filter(isHostProgram);
  // A child of it bears its name until it has become the command that it was forked for.
  const [program, ...others] = found.filter((pid) => {
    const parent = parentOf(pid);
    return parent !== null && !found.includes(parent);
  });
  if (program === undefined || others.length > 0) throw new Error(`host programs: ${found.join(' ')}`);
  return program;
}

/** Resolves once no host program works there. One tidies up after it has told how its deploy ended. */
export async function atRest(directory: string): Promise<void> {
  await poll('no host program', 30_000, () => !processesOf(directory).some(isHostProgram));
}

export function isHostProgram(pid: number): boolean {
  return ofProcess(pid, 'cmdline').startsWith('pm2-ssh-deploy');
}

/** The arguments of a process or its environment, each with a NUL after it; empty if it has ended. */
export function ofProcess(pid: number, what: 'cmdline' | 'environ'): string {
  try {
    return readFileSync(`/proc/${pid}/${what}`, 'utf8');
  } catch {
    return '';
  }
}

/** Null if the process has ended. */
function parentOf(pid: number): number | null {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    return Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
  } catch {
    return null;
  }
}
