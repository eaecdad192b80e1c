import { chmodSync } from 'node:fs';
import { expect, test } from 'vitest';
import { failureOf } from '../../../src/host/system/failure.ts';

test('a file that this user may not use is named, with what to do, and without a stack', () => {
  let error: unknown;
  try {
    // Nobody may do that, root included.
    chmodSync('/proc/self/stat', 0);
  } catch (thrown) {
    error = thrown;
  }
  expect(error).toMatchObject({ code: 'EPERM' });
  expect(failureOf(error, 'staged')).toMatchObject({
    message: expect.stringMatching(
      /^This user \(uid \d+\) may not use \/proc\/self\/stat \(chmod: EPERM\)\.$/,
    ),
    remedy:
      "Look at its owner and mode on the server: 'ls -ld /proc/self/stat'. Give it to this user, or deploy as its owner.",
    output: [],
  });
});
