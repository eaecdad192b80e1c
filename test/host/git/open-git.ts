import { type Git, gitIn } from '../../../src/host/git/git.ts';
import { createClock } from '../../../src/host/system/clock.ts';

/** Git in a directory, with the settings of the user whose home this is. */
export function openGit(directory: string, home: string): Git {
  return gitIn(directory, {
    env: { PATH: process.env.PATH, HOME: home },
    clock: createClock(),
    timeLimit: 30_000,
    locks: new Set(),
  });
}
