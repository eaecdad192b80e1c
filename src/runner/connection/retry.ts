import { setTimeout as pause } from 'node:timers/promises';
import { ConnectError, type ConnectErrorKind } from '../connect-error.ts';

/** What may have passed a moment later. From the login on nothing is tried again: each failure may count towards a ban. */
const PASSING: readonly ConnectErrorKind[] = ['name', 'refused', 'unreachable', 'timeout', 'closed', 'lost'];

const FIRST_PAUSE = 1_000;
const LONGEST_PAUSE = 10_000;

/** Milliseconds to wait before a retry, the first being 1: 1 s, twice as long each time, 10 s at most. */
export function pauseBefore(retry: number): number {
  return Math.min(FIRST_PAUSE * 2 ** (retry - 1), LONGEST_PAUSE);
}

/**
 * Tries to connect, and up to `retries` times more where that may help; `say` tells of each. Throws the last try's
 * `ConnectError`, with the number of tries in its message.
 */
export async function retrying<T>(
  connect: () => Promise<T>,
  retries: number,
  say: (text: string) => void,
): Promise<T> {
  for (let tries = 1; ; tries += 1) {
    try {
      return await connect();
    } catch (error) {
      if (!(error instanceof ConnectError)) throw error;
      if (!PASSING.includes(error.kind) || tries > retries) throw tries === 1 ? error : counted(error, tries);
      const wait = pauseBefore(tries);
      say(`${error.message} Retry ${tries} of ${retries} in ${wait / 1000} s.`);
      await pause(wait);
    }
  }
}

function counted({ kind, message, remedy, cause, output }: ConnectError, tries: number): ConnectError {
  return new ConnectError(kind, `${message} Gave up after ${tries} attempts.`, remedy, cause, output);
}
