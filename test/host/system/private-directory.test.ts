import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  chownSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { DeployFailure } from '../../../src/host/system/failure.ts';
import {
  makePrivate,
  refusal,
  requirePrivate,
  requireTrustworthy,
} from '../../../src/host/system/private-directory.ts';

let scratch: string;
let directory: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'private-'));
  directory = join(scratch, 'ours');
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const trouble = (path: string): DeployFailure => {
  try {
    requirePrivate(path);
  } catch (error) {
    if (error instanceof DeployFailure) return error;
  }
  throw new Error('nothing was refused');
};

it('makes a directory, and each one above it, that only this user can enter', () => {
  makePrivate(join(directory, 'a', 'b'));
  for (const path of [directory, join(directory, 'a'), join(directory, 'a', 'b')])
    expect(statSync(path).mode & 0o777).toBe(0o700);
  makePrivate(directory);
  requirePrivate(directory);
});

it('has nothing against a place where nothing is', () => {
  requirePrivate(join(scratch, 'absent'));
  expect(existsSync(join(scratch, 'absent'))).toBe(false);
});

it('takes the set-group-id bit that a shared directory hands down', () => {
  chmodSync(scratch, 0o2775);
  makePrivate(directory);
  expect(statSync(directory).mode & 0o7777).toBe(0o2700);
  requirePrivate(directory);
});

it.each([0o777, 0o755, 0o750, 0o702, 0o1777])('refuses mode %o, and says how to close it', (mode) => {
  mkdirSync(directory);
  chmodSync(directory, mode);
  expect(() => makePrivate(directory)).toThrow(DeployFailure);
  const { message, remedy } = trouble(directory);
  expect(message).toContain(
    `${directory} is open to other users: its mode is ${mode.toString(8).padStart(4, '0')}`,
  );
  expect(remedy).toContain(`chmod 700 ${directory}`);
});

it("refuses a link, even to a directory of this user's own, and says where it leads", () => {
  const other = join(scratch, 'precious');
  mkdirSync(other, { mode: 0o700 });
  symlinkSync(other, directory);
  expect(() => makePrivate(directory)).toThrow(`a link to ${other}`);
  expect(() => makePrivate(join(directory, 'below'))).not.toThrow();
  expect(trouble(directory).remedy).toContain(`ls -ld ${directory}`);
});

it('refuses a file', () => {
  writeFileSync(directory, '');
  expect(() => makePrivate(directory)).toThrow('no directory');
});

describe.runIf(process.getuid?.() === 0)("another user's", () => {
  it('directory is refused by its name and number, whatever its mode', () => {
    mkdirSync(directory, { mode: 0o700 });
    chownSync(directory, 65534, 65534);
    const owner = execFileSync('id', ['-un', '65534'], { encoding: 'utf8' }).trim();
    expect(owner).not.toBe('');
    expect(() => makePrivate(directory)).toThrow(
      /belongs to the user with id 65534, but the deploy runs as the user with id 0/,
    );
    expect(trouble(directory).remedy).toContain(`ls -ld ${directory}`);
  });
});

it('judges by what lstat tells alone', () => {
  expect(refusal({ kind: 'directory', mode: 0o700, uid: 1000 }, 1000)).toBeNull();
  expect(refusal({ kind: 'directory', mode: 0o700, uid: 1001 }, 1000)).toContain('1001');
  expect(refusal({ kind: 'directory', mode: 0o701, uid: 1000 }, 1000)).toContain('0701');
  expect(refusal({ kind: 'link to /etc', mode: 0o777, uid: 1000 }, 1000)).toContain('a link to /etc');
});

describe('a directory that others may read, but not change', () => {
  it('may be a link, open to read, and shared with a group; it need not be there', () => {
    mkdirSync(directory);
    chmodSync(directory, 0o2775);
    symlinkSync(directory, `${directory}-link`);
    for (const path of [directory, `${directory}-link`, join(scratch, 'absent')])
      requireTrustworthy(path, 'PM2_HOME');
  });

  it('is refused when every user can write to it', () => {
    mkdirSync(directory);
    chmodSync(directory, 0o1777);
    expect(() => requireTrustworthy(directory, 'PM2_HOME')).toThrow(
      `${directory} (PM2_HOME) can be written by every user`,
    );
  });

  it.runIf(process.getuid?.() === 0)('is refused when another user owns it', () => {
    mkdirSync(directory);
    chownSync(directory, 65534, 65534);
    expect(() => requireTrustworthy(directory, 'PM2_HOME')).toThrow('belongs to the user with id 65534');
  });
});
