import { execFileSync } from 'node:child_process';
import { chmodSync, existsSync, mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { managerVersion } from '../../../src/host/build/manager-version.ts';

let directory: string;
beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'manager-'));
  for (const name of ['bin', 'lib/bin']) mkdirSync(join(directory, name), { recursive: true });
});
afterEach(() => rmSync(directory, { recursive: true }));

const PATH = process.env.PATH ?? '';
const ask = (name: string): Promise<string | null> =>
  managerVersion(name, null, directory, { PATH: `${join(directory, 'bin')}:${PATH}` });

/** A program that says 7.7.7, and notes that it was asked. */
function program(file: string): void {
  writeFileSync(file, `#!/bin/sh\ntouch ${join(directory, 'asked')}\necho 7.7.7\n`);
  chmodSync(file, 0o755);
}

test("the version of the machine's own npm is what npm says", async () => {
  const said = execFileSync('npm', ['--version'], { encoding: 'utf8' }).trim();
  expect(await managerVersion('npm', null, directory, { PATH })).toBe(said);
});

test('npm is not run to ask it for its version: its package tells', async () => {
  program(join(directory, 'lib/bin/npm-cli.js'));
  writeFileSync(join(directory, 'lib/package.json'), '{"name":"npm","version":"11.0.1"}');
  symlinkSync('../lib/bin/npm-cli.js', join(directory, 'bin/npm'));
  expect(await ask('npm')).toBe('11.0.1');
  expect(existsSync(join(directory, 'asked'))).toBe(false);
});

test.each([
  ['npm', 'volta'],
  ['pnpm', 'pnpm'],
])('%s that is a program of the package %s is asked itself', async (name, packageName) => {
  program(join(directory, 'lib/bin/shim'));
  writeFileSync(join(directory, 'lib/package.json'), `{"name":"${packageName}","version":"2.0.0"}`);
  symlinkSync('../lib/bin/shim', join(directory, `bin/${name}`));
  expect(await ask(name)).toBe('7.7.7');
});

test('a version that nobody tells is none', async () => {
  expect(await ask('a-package-manager-of-the-test')).toBeNull();
});
