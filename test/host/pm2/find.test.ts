import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { findPm2, type Surroundings } from '../../../src/host/pm2/find.ts';
import type { DeployFailure } from '../../../src/host/system/failure.ts';

let root: string;
beforeEach(() => {
  root = realpathSync(mkdtempSync(join(tmpdir(), 'find-')));
});
afterEach(() => rmSync(root, { recursive: true }));

/** Something that looks like PM2 from outside, and fails the test if it is run. */
function install(packages: string, version: string): string {
  const directory = join(root, packages, 'pm2');
  mkdirSync(join(directory, 'bin'), { recursive: true });
  mkdirSync(join(directory, 'lib'));
  writeFileSync(join(directory, 'package.json'), JSON.stringify({ name: 'pm2', version }));
  writeFileSync(join(directory, 'bin/pm2'), `#!/bin/sh\ntouch ${root}/was-run\n`, { mode: 0o755 });
  writeFileSync(join(directory, 'lib/Daemon.js'), '');
  return directory;
}

function link(path: string, target: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  symlinkSync(target, join(root, path));
}

const around = (surroundings: Partial<Surroundings> = {}): Surroundings => ({
  env: { PATH: `${root}/empty:${root}/bin` },
  execPath: join(root, 'node/bin/node'),
  home: join(root, 'home'),
  workDir: join(root, 'app'),
  daemon: null,
  ...surroundings,
});

test('the order: PM2_BIN, the daemon, beside Node, PATH, the project, and the rest', () => {
  const places: [string, string][] = [
    ['home/.nvm/versions/node/v9.0.0/lib/node_modules', '1.0.0'],
    ['home/.nvm/versions/node/v20.1.0/lib/node_modules', '2.0.0'],
    ['app/node_modules', '3.0.0'],
    ['usr/lib/node_modules', '4.0.0'],
    ['node/lib/node_modules', '5.0.0'],
    ['daemon/node_modules', '6.0.0'],
    ['own/node_modules', '7.0.0'],
  ];
  const found: string[] = [];
  for (const [packages, version] of places) {
    const directory = install(packages, version);
    if (packages.startsWith('app')) link('app/node_modules/.bin/pm2', '../pm2/bin/pm2');
    if (packages.startsWith('usr')) link('bin/pm2', '../usr/lib/node_modules/pm2/bin/pm2');
    if (packages.startsWith('node/')) link('node/bin/pm2', '../lib/node_modules/pm2/bin/pm2');
    const daemon = version >= '6' ? join(root, 'daemon/node_modules/pm2/lib/Daemon.js') : null;
    const env = {
      PATH: `${root}/empty:${root}/bin`,
      ...(version >= '7' ? { PM2_BIN: `${directory}/bin/pm2` } : {}),
    };
    const pm2 = findPm2(around({ env, daemon }));
    expect(pm2).toEqual({ bin: join(directory, 'bin/pm2'), root: directory, version });
    found.push(pm2.version);
  }
  expect(found).toHaveLength(7);
});

test.each([
  ['pnpm/global/5', '"$basedir/../pnpm/global/5/node_modules/pm2/bin/pm2"'],
  ['pnpm/global/v11/15ec52', `"$basedir_abs"/'../pnpm/global/v11/15ec52/node_modules/pm2/bin/pm2'`],
])('a script on PATH that calls PM2 leads to it: %s', (project, called) => {
  const directory = install(`${project}/node_modules`, '7.0.4');
  mkdirSync(join(root, 'bin'));
  const script = `#!/bin/sh\nbasedir=$(dirname "$0")\nexec node  ${called} "$@"\n`;
  writeFileSync(join(root, 'bin/pm2'), script, { mode: 0o755 });
  expect(findPm2(around()).root).toBe(directory);
});

test('an interactive login shell is asked last, and what it prints besides is passed by', () => {
  const directory = install('hidden/lib/node_modules', '6.0.14');
  link('hidden/bin/pm2', '../lib/node_modules/pm2/bin/pm2');
  const shell = join(root, 'shell');
  const startUp = `echo /etc/passwd; sleep 60 & PATH=${root}/hidden/bin:$PATH`;
  writeFileSync(shell, `#!/bin/sh\n[ "$1" = -lic ] || exit 1\n${startUp}\neval "$2"\nkill $!\n`, {
    mode: 0o755,
  });
  expect(findPm2(around({ env: { PATH: `${root}/empty`, SHELL: shell } })).root).toBe(directory);
});

test.each([
  ['NVM_DIR', 'versions/node/v20.1.0/lib/node_modules'],
  ['FNM_DIR', 'node-versions/v20.1.0/installation/lib/node_modules'],
  ['VOLTA_HOME', 'tools/image/packages/pm2/lib/node_modules'],
  ['ASDF_DATA_DIR', 'installs/nodejs/20.1.0/lib/node_modules'],
  ['MISE_DATA_DIR', 'installs/npm-pm2/7.0.4/lib/node_modules'],
  ['NODENV_ROOT', 'versions/20.1.0/lib/node_modules'],
  ['N_PREFIX', 'lib/node_modules'],
  ['PNPM_HOME', 'global/5/node_modules'],
])('%s says where a tool was moved to', (variable, packages) => {
  const directory = install(join('tool', packages), '7.0.4');
  const env = { PATH: `${root}/empty`, [variable]: join(root, 'tool') };
  expect(findPm2(around({ env })).root).toBe(directory);
});

test("npm's own prefix counts", () => {
  const directory = install('home/tools/lib/node_modules', '6.0.14');
  writeFileSync(join(root, 'home/.npmrc'), 'fund=false\nprefix = "~/tools"\n');
  expect(findPm2(around())).toMatchObject({ root: directory, version: '6.0.14' });
});

test('where there is none, it says where it looked and what to do', () => {
  mkdirSync(join(root, 'bin'));
  writeFileSync(join(root, 'bin/pm2'), 'not PM2');
  try {
    // The machine may have one of its own in a place that is looked at last.
    expect(findPm2(around()).root).toMatch(/^\/(usr|opt|home|snap)\//);
  } catch (error) {
    const failure = error as DeployFailure;
    expect(failure.message).toBe(
      `PM2 was not found on this host. ${join(root, 'bin/pm2')} is there, but leads to no installation of PM2.`,
    );
    expect(failure.remedy).toContain('npm install -g pm2');
    expect(failure.output).toEqual(
      expect.arrayContaining([
        join(root, 'node/bin/pm2'),
        join(root, 'bin/pm2'),
        'where version managers keep global packages, and on the PATH of a login shell.',
      ]),
    );
  }
});
