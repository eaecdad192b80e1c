import { readFileSync, writeFileSync } from 'node:fs';

/** Of this network namespace; Linux 5.14 and later have it. https://docs.kernel.org/networking/ip-sysctl.html */
const SETTING = '/proc/sys/net/ipv4/tcp_migrate_req';
/** Milliseconds. */
const LOOKS_EVERY = 10;

/**
 * While `work` runs, the connections that wait at a port which one process closes go to the other process that listens
 * there. Without this the kernel resets them. Only root may ask the kernel for it; others have `work` done without.
 * Afterwards the setting is what it was.
 */
export async function whileQueuesMigrate<T>(work: () => Promise<T>): Promise<T> {
  let isOurs = turnOn();
  // Another deploy on this server turns it off when its own work ends.
  const keeper = setInterval(() => {
    isOurs = turnOn() || isOurs;
  }, LOOKS_EVERY);
  try {
    return await work();
  } finally {
    clearInterval(keeper);
    if (isOurs) write('0');
  }
}

function turnOn(): boolean {
  try {
    return readFileSync(SETTING, 'utf8').trim() === '0' && write('1');
  } catch {
    // An older kernel.
    return false;
  }
}

function write(value: '0' | '1'): boolean {
  try {
    writeFileSync(SETTING, value);
    return true;
  } catch {
    // Not root, or a container that sees it read-only.
    return false;
  }
}
