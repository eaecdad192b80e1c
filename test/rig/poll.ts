import { setTimeout as pause } from 'node:timers/promises';

/** Looks every few milliseconds until there is something to see. Throws an Error that names it after `within` milliseconds. */
export async function poll<T>(
  what: string,
  within: number,
  look: () => T | null | undefined | false | Promise<T | null | undefined | false>,
): Promise<T> {
  const deadline = performance.now() + within;
  for (;;) {
    const seen = await look();
    if (seen !== null && seen !== undefined && seen !== false) return seen;
    if (performance.now() > deadline) throw new Error(`not seen within ${within / 1000} s: ${what}`);
    await pause(5);
  }
}
