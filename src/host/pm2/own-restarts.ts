import type { Instance } from './list.ts';

/** Milliseconds. PM2 notes both times of a start right after each other, and takes a process for stable after a second. */
const SAME_START = 200;
const STABLE_AFTER = 1_000;

/** Whether PM2 starts or stops an instance, or has just started it after a crash, so that it may crash again at once. */
export function isRestarting({ status, pmUptime, createdAt }: Instance, now: number): boolean {
  const hasCrashed = pmUptime - createdAt > SAME_START && now - pmUptime < STABLE_AFTER;
  return hasCrashed || status === 'launching' || status === 'stopping';
}

/**
 * Whether this line of PM2's command says that it did not replace an instance, because PM2 was restarting that itself. The
 * command leaves out the instances after it as well, and ends with 0.
 */
export function saysBusy(line: string): boolean {
  return /process already (started|online)|Process with pid \d+ already exists|Reload already in progress for process id/.test(
    line,
  );
}
