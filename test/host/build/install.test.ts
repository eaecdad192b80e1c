import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import type { Plan, Step } from '../../../src/protocol.ts';
import { createInstaller, type Installer, pathsOf } from './installer.ts';

/** One package with an executable, a link that npm makes to it, and a script that runs as it is installed. */
let tarball: Buffer;
let registry: Server;
let fetched: number;
let on: Installer;

beforeEach(async () => {
  on = createInstaller();
  const { scratch } = on;
  const packed = {
    'package.json': JSON.stringify({
      name: 'dep',
      version: '1.0.0',
      bin: 'cli.js',
      scripts: { postinstall: 'echo made > made.txt; mkdir empty; ln -s made.txt link' },
    }),
    'cli.js': '#!/usr/bin/env node\n',
    'lib/deep/index.js': 'module.exports = 1;\n',
  };
  for (const [path, content] of Object.entries(packed)) {
    mkdirSync(join(scratch, 'package', dirname(path)), { recursive: true });
    writeFileSync(join(scratch, 'package', path), content);
  }
  chmodSync(join(scratch, 'package/cli.js'), 0o755);
  execFileSync('tar', ['czf', 'dep.tgz', 'package'], { cwd: scratch });
  tarball = readFileSync(join(scratch, 'dep.tgz'));
  fetched = 0;
  registry = createServer((_, response) => {
    fetched++;
    response.end(tarball);
  }).listen(0, '127.0.0.1');
  await new Promise((resolve) => registry.once('listening', resolve));
  on.env.npm_config_cache = join(scratch, 'cache');
});
afterEach(async () => {
  await new Promise((resolve) => registry.close(resolve));
  on.remove();
});

function project(changes: Record<string, string> = {}): Record<string, string> {
  const { port } = registry.address() as AddressInfo;
  const about = { name: 'app', version: '1.0.0', dependencies: { dep: '1.0.0' } };
  const integrity = `sha512-${createHash('sha512').update(tarball).digest('base64')}`;
  const dep = { version: '1.0.0', integrity, hasInstallScript: true, bin: { dep: 'cli.js' } };
  const lock = {
    ...about,
    lockfileVersion: 3,
    requires: true,
    packages: {
      '': about,
      'node_modules/dep': { ...dep, resolved: `http://127.0.0.1:${port}/dep/-/dep-1.0.0.tgz` },
    },
  };
  return {
    '.gitignore': 'node_modules\n',
    'package.json': JSON.stringify(about),
    'package-lock.json': JSON.stringify(lock),
    'src/app.js': 'require("dep");',
    ...changes,
  };
}

/** npm keeps what it fetches. */
function installed(step?: Step, plan?: Partial<Plan>): Promise<string[]> {
  rmSync(join(on.scratch, 'cache'), { recursive: true, force: true });
  return on.install(step, plan);
}

test('another commit with the same lockfile gets the same tree, to the byte, without the registry', async () => {
  on.commit(project());
  const fresh = await installed();
  expect(on.reused()).toBe(false);
  expect(fresh.length).toBeGreaterThan(8);
  expect(fetched).toBe(1);
  // What a build writes is not what the install made.
  writeFileSync(join(on.top, 'node_modules/dep/lib/deep/index.js'), 'broken by the build');
  symlinkSync('dep', join(on.top, 'node_modules/by-build'));

  on.commit(project({ 'src/app.js': 'require("dep").again;' }));
  expect(await installed()).toEqual(fresh);
  expect(on.reused()).toBe(true);
  expect(fetched).toBe(1);
  // No file is shared with the kept one.
  writeFileSync(join(on.top, 'node_modules/dep/cli.js'), 'broken by another build');
  on.commit(project({ 'src/app.js': 'once more' }));
  expect(await installed()).toEqual(fresh);
  expect(fetched).toBe(1);
  expect(existsSync(join(on.top, 'node_modules/.bin/dep'))).toBe(true);
});

test.each<[string, Record<string, string>, { step?: Step; variable?: string }]>([
  ['the lockfile', { 'package-lock.json': '' }, {}],
  ['a package.json', { 'tools/package.json': '{}' }, {}],
  ['.npmrc', { '.npmrc': 'fund=false\n' }, {}],
  ['a patch', { 'patches/dep.patch': 'x' }, {}],
  ['the command', {}, { step: { kind: 'command', command: 'npm ci --no-audit' } }],
  ['a variable of npm', {}, { variable: 'npm_config_fund' }],
])('installs anew if %s changed', async (_, changes, { step, variable }) => {
  on.commit(project());
  await installed();
  const files = project(changes);
  if (files['package-lock.json'] === '') files['package-lock.json'] = `${project()['package-lock.json']}\n`;
  on.commit(files);
  if (variable !== undefined) on.env[variable] = 'false';
  await installed(step);
  expect(on.reused()).toBe(false);
  expect(fetched).toBe(2);
});

test('install-command is reused on the same terms, and one that may read anything is not', async () => {
  const command = { kind: 'command', command: 'npm ci --no-audit' } as const;
  on.commit(project());
  const fresh = await installed(command);
  on.commit(project({ 'src/app.js': 'other' }));
  expect(await installed(command)).toEqual(fresh);
  expect(on.reused()).toBe(true);
  await installed({ kind: 'command', command: 'npm ci && cp src/app.js node_modules/' });
  expect(on.lines.at(-1)).toContain('install-command does more than to install by a package manager');
  expect(readdirSync(on.beside('install/tree'))).toEqual(['node_modules']);
});

test('where the commit has files of its own in that place, they stay', async () => {
  on.commit(project());
  await installed();
  on.commit(project({ '.gitignore': '', 'node_modules/own/index.js': 'tracked' }));
  await installed();
  expect(on.reused()).toBe(false);
  expect(existsSync(join(on.top, 'node_modules/dep/made.txt'))).toBe(true);
});

test('fresh-install turns it off', async () => {
  on.commit(project());
  await installed();
  on.commit(project());
  await installed({ kind: 'default' }, { freshInstall: true });
  expect(on.reused()).toBe(false);
  expect(fetched).toBe(2);
});

test('what is damaged, or was only kept in part, is not used', async () => {
  on.commit(project());
  const fresh = await installed();
  rmSync(on.beside('install/tree/node_modules/dep/made.txt'));
  on.commit(project());
  expect(pathsOf(await installed())).toEqual(pathsOf(fresh));
  expect(on.lines).toContainEqual(
    'The last install cannot be reused: it is not whole any more. Installing anew.',
  );
  // As a kill before the end of the copy leaves it.
  rmSync(on.beside('install/install.json'));
  on.commit(project());
  expect(pathsOf(await installed())).toEqual(pathsOf(fresh));
  expect(on.reused()).toBe(false);
  writeFileSync(on.beside('install/install.json'), '{"version":1,"key"');
  on.commit(project());
  expect(pathsOf(await installed())).toEqual(pathsOf(fresh));
  expect(on.reused()).toBe(false);
  on.commit(project());
  await installed();
  expect(on.reused()).toBe(true);
});

test('on a full disk the kept install makes room for a fresh one', async () => {
  on.commit(project());
  const fresh = await installed();
  mkdirSync(join(on.scratch, 'bin'));
  const full = "cp: error writing 'x': No space left on device";
  const cp = `#!/bin/sh\nfor to; do :; done\nmkdir -p "$to/half"\necho "${full}" >&2\nexit 1\n`;
  writeFileSync(join(on.scratch, 'bin/cp'), cp, { mode: 0o755 });
  on.env.PATH = `${join(on.scratch, 'bin')}:${on.env.PATH}`;
  on.commit(project());
  expect(pathsOf(await installed())).toEqual(pathsOf(fresh));
  expect(on.lines[0]).toBe(`The last install cannot be reused: ${full}. Installing anew.`);
  expect(on.lines.at(-1)).toBe(
    `This install is not reused by later deploys: it could not be copied: ${full}.`,
  );
  expect(readdirSync(on.beside())).toEqual(['staging']);
});

test('what a killed program has left of a copy is no part of the next', async () => {
  mkdirSync(on.beside('install.new/tree/node_modules/half'), { recursive: true, mode: 0o700 });
  on.commit(project());
  const fresh = await installed();
  on.commit(project());
  expect(await installed()).toEqual(fresh);
  expect(on.reused()).toBe(true);
  expect(readdirSync(on.beside()).sort()).toEqual(['install', 'staging']);
});

test('an install that changes a file of the commit is not kept', async () => {
  const changes = { scripts: { prepare: 'true' } };
  const about = { ...JSON.parse(project()['package.json'] ?? ''), ...changes, workspaces: ['own'] };
  const own = { name: 'own', version: '1.0.0', bin: 'own.js' };
  const lock = JSON.parse(project()['package-lock.json'] ?? '');
  lock.packages[''] = about;
  lock.packages.own = own;
  lock.packages['node_modules/own'] = { resolved: 'own', link: true };
  on.commit({
    ...project(),
    'package.json': JSON.stringify(about),
    'package-lock.json': JSON.stringify(lock),
    'own/package.json': JSON.stringify(own),
    'own/own.js': '#!/usr/bin/env node\n',
  });
  await installed();
  expect(on.lines.at(-1)).toContain('the install changed own/own.js, which is a file of the commit');
  expect(existsSync(on.beside('install'))).toBe(false);
});
