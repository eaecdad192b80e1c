import { expect, test } from 'vitest';
import { notStarted } from '../../../src/runner/session/session-failures.ts';

test.each([
  ['ENOSPC: no space left on device, write', 'The disk is full'],
  ["EDQUOT: disk quota exceeded, mkdir '/home/me/.local'", 'The disk is full'],
  ["EROFS: read-only file system, mkdir '/home/me/.local'", 'read-only'],
  ["EACCES: permission denied, mkdir '/home/me/.local'", 'the home directory of the user'],
  ["ENOENT: no such file or directory, mkdir '/home/me/.local'", 'the home directory of the user'],
  ['a deploy with this id was cancelled before it began', null],
])('a program that cannot be written down, %j, has the remedy %j', (why, remedy) => {
  const error = notStarted({
    label: 'host-1',
    word: 'failed',
    rest: JSON.stringify(why),
    state: null,
    complaints: [],
    rejoins: false,
  });
  expect(error.message).toContain(why);
  expect(error.remedy).toEqual(remedy === null ? null : expect.stringContaining(remedy));
});
