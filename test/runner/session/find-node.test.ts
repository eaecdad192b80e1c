import { spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { BOOTSTRAP_LINE } from '../../../src/runner/session/bootstrap.ts';
import { FIND_NODE, LOADER } from '../../../src/runner/session/find-node.ts';
import { killAllOf } from '../../rig/leftovers.ts';

const NONCE = '0123456789abcdef0123456789abcdef';
let home = '';

beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'find-')));
  // The tools that a host has, without the Node that this machine has beside them.
  mkdirSync(join(home, 'tools'));
  for (const tool of [
    'sh',
    'dash',
    'bash',
    'cat',
    'ls',
    'sed',
    'sort',
    'readlink',
    'timeout',
    'true',
    'sleep',
  ]) {
    const found = spawnSync('sh', ['-c', 'command -v "$0"', tool], {
      encoding: 'utf8',
      env: { PATH: '/usr/bin:/bin' },
    });
    const path = found.stdout.trim();
    if (path.startsWith('/')) symlinkSync(path, join(home, 'tools', tool));
  }
});
afterEach(async () => {
  await killAllOf(home);
  rmSync(home, { recursive: true, force: true });
});

function put(name: string, text: string, mode = 0o755): string {
  const file = join(home, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
  chmodSync(file, mode);
  return file;
}

/** A stand-in that says its version, and where it is, its first directory on PATH and its stdin when it is run. */
function putNode(name: string, version: string): string {
  const text = `#!/bin/sh
if [ "$1" = -v ]; then echo ${version}; exit; fi
if [ "$1" = -p ]; then echo "$0"; exit; fi
echo "ran $0 \${PATH%%:*} $PM2_SSH_DEPLOY_NONCE $(cat)"
`;
  return put(name, text);
}

/** What comes of the bootstrap and the script on a host with that home, without what this machine has of its own. */
function find(
  options: { init?: string; env?: Record<string, string>; shell?: string[] } = {},
): Promise<string[]> {
  const [shell = 'sh', ...args] = options.shell ?? ['sh'];
  const bootstrap = BOOTSTRAP_LINE.slice("sh -c '".length, -1);
  const script = FIND_NODE.replace('pm2sd_limited 5', 'pm2sd_limited 1')
    .replace(/ \/(opt|home|usr|snap)\//g, ' /nonexistent/')
    .replace(/:-\/usr\/local}/g, ':-/nonexistent}');
  const init = options.init === undefined ? '' : `${options.init}\n`;
  return new Promise((resolve, reject) => {
    const child = spawn(shell, [...args, '-c', bootstrap], {
      cwd: home,
      env: { HOME: home, PATH: join(home, 'tools'), SHELL: '/nonexistent/sh', ...options.env },
      stdio: ['pipe', 'pipe', 'ignore'],
    });
    let text = '';
    child.stdout.on('data', (chunk: Buffer) => {
      text += chunk.toString('utf8');
    });
    child.stdin.on('error', () => {});
    child.once('error', reject);
    child.once('close', () => resolve(text.split('\n').filter((line) => line !== '')));
    child.stdin.end(`${NONCE}\n${script}${NONCE}\n${init}${NONCE}\nthe rest`);
  });
}

function ran(file: string): string[] {
  return [`pm2-ssh-deploy-ready ${NONCE}`, `ran ${file} ${dirname(file)} ${NONCE} the rest`];
}

it('holds nothing that ends its quotes', () => {
  expect(LOADER).not.toContain("'");
});

describe.each([['dash'], ['bash', '--posix']])('in %s', (...shell) => {
  it.each([
    ['PATH', 'tools/node', {}],
    ['PATH, as Debian called it', 'tools/nodejs', {}],
    ['nvm', '.nvm/versions/node/v20.11.1/bin/node', {}],
    ['nvm elsewhere', 'my nvm/versions/node/v20.11.1/bin/node', { NVM_DIR: '~/my nvm' }],
    ["fnm's default", '.local/share/fnm/aliases/default/bin/node', {}],
    ['Volta', '.volta/bin/node', {}],
    ['asdf', '.asdf/shims/node', {}],
    ['mise', '.local/share/mise/installs/node/22.1.0/bin/node', {}],
    ['nvm below XDG_CONFIG_HOME', 'xdg/nvm/versions/node/v20.11.1/bin/node', { XDG_CONFIG_HOME: '~/xdg' }],
    ['Volta, without a default', '.volta/tools/image/node/20.11.1/bin/node', {}],
    ['nodenv', '.nodenv/versions/20.11.1/bin/node', {}],
    ['pnpm', '.local/share/pnpm/bin/node', {}],
    ['n', 'n/bin/node', {}],
    ['n with a prefix', 'prefix/bin/node', { N_PREFIX: '~/prefix' }],
  ])('finds Node by %s', async (_, file, env) => {
    const node = putNode(file, 'v20.11.1');
    if (file.includes('fnm')) mkdirSync(join(home, '.local/share/fnm/node-versions'));
    const given = Object.fromEntries(
      Object.entries(env).map(([name, value]) => [name, value.replace('~', home)]),
    );
    expect(await find({ shell, env: given })).toEqual(ran(node));
  });

  it("takes nvm's default alias, through other aliases, and its newest version where there is none", async () => {
    const [, eighteen, twenty, newest] = ['v9.11.2', 'v18.20.4', 'v20.9.0', 'v20.11.1', 'v22.1.0'].map(
      (version) => putNode(`.nvm/versions/node/${version}/bin/node`, version),
    );
    void twenty;
    put('.nvm/alias/default', 'lts/*\n');
    put('.nvm/alias/lts/*', 'lts/hydrogen\n');
    put('.nvm/alias/lts/hydrogen', 'v18.20.4\n');
    expect(await find({ shell })).toEqual(ran(eighteen ?? ''));
    put('.nvm/alias/default', '20');
    expect(await find({ shell })).toEqual(ran(newest ?? ''));
    put('.nvm/alias/default', 'node\n');
    expect(await find({ shell })).toEqual(ran(join(home, '.nvm/versions/node/v22.1.0/bin/node')));
  });

  it('takes the newest version where no shim answers, as asdf and mise do with none set', async () => {
    for (const version of ['9.0.0', '16.20.2', '20.9.0'])
      putNode(`.asdf/installs/nodejs/${version}/bin/node`, `v${version}`);
    put('.asdf/shims/node', '#!/bin/sh\necho No version is set >&2; exit 126\n');
    expect(await find({ shell })).toEqual(ran(join(home, '.asdf/installs/nodejs/20.9.0/bin/node')));
  });

  it('passes by what is too old, no Node, or broken', async () => {
    putNode('tools/node', 'v14.21.3');
    put('tools/nodejs', '#!/bin/sh\necho not a version\n');
    put('.nvm/versions/node/v22.0.0/bin/node', '#!/bin/sh\nexit 126\n');
    put('.nvm/versions/node/v21.0.0/bin/node', '', 0o644);
    putNode('.nvm/versions/node/v15.0.0/bin/node', 'v15.0.0');
    const node = putNode('.volta/bin/node', 'v16.0.0');
    expect(await find({ shell })).toEqual(ran(node));
  });

  it('says which one is too old, and where it looked for one', async () => {
    expect((await find({ shell })).at(-1)).toMatch(
      new RegExp(`^${NONCE} no-node PM2's daemon, PATH \\(${home}/tools\\), nvm`),
    );
    const old = putNode('tools/node', 'v14.21.3');
    expect((await find({ shell })).at(-1)).toBe(`${NONCE} old-node ${old} v14.21.3`);
  });

  it('asks an interactive login shell last, between marks', async () => {
    const node = putNode('hidden/bin/node', 'v20.0.0');
    put(
      '.bash_profile',
      `echo welcome; echo /etc/passwd; cat\ncase $- in *i*) PATH=${dirname(node)}:$PATH ;; esac\n`,
    );
    expect(await find({ shell, env: { SHELL: '/bin/bash' } })).toEqual(ran(node));
  });

  it('keeps to what shell-init sets up, and cannot be led astray by it', async () => {
    putNode('tools/node', 'v20.0.0');
    const node = putNode('chosen/node', 'v18.0.0');
    const init = `n=x; e=x; s=x; IFS=/\nnode() { echo v99.0.0; }\ncat; read -r x; echo "${NONCE} no-node x"\nunset -f node; cd /\nPATH=${dirname(node)}:$PATH; set -euf`;
    expect(await find({ shell, init })).toEqual(ran(node));
  });

  it('says that shell-init has ended the shell', async () => {
    putNode('tools/node', 'v20.0.0');
    for (const [init, code] of [
      ['exit 4', '4'],
      ['set -e\nfalse', '1'],
      ['if then (', '[12]'],
      ['set -u; echo "$nowhere"', '\\d+'],
    ] as const) {
      expect((await find({ shell, init })).at(-1)).toMatch(new RegExp(`^${NONCE} init-ended ${code}$`));
    }
  });

  it('says which NODE_OPTIONS Node does not start with', async () => {
    symlinkSync(process.execPath, join(home, 'tools/node'));
    for (const [options, why] of [
      ['--require /nowhere/agent.js', "Error: Cannot find module '/nowhere/agent.js'"],
      ['--no-such-option', `${join(home, 'tools/node')}: --no-such-option is not allowed in NODE_OPTIONS`],
    ] as const) {
      const init = `export NODE_OPTIONS='${options}'`;
      expect((await find({ shell, init })).at(-1)).toBe(`${NONCE} bad-options ${why}`);
    }
  });

  it('starts Node with the NODE_OPTIONS of the host', async () => {
    const node = putNode('tools/node', 'v20.0.0');
    const env = { NODE_OPTIONS: '--max-old-space-size=4096' };
    expect(await find({ shell, env })).toEqual(ran(node));
  });

  it('evaluates nothing of a script that did not come whole', async () => {
    const child = spawnSync(
      shell[0] ?? '',
      [...shell.slice(1), '-c', BOOTSTRAP_LINE.slice("sh -c '".length, -1)],
      {
        input: `${NONCE}\necho evaluated\n`,
        encoding: 'utf8',
      },
    );
    expect(child).toMatchObject({ stdout: `\npm2-ssh-deploy-ready ${NONCE}\n`, status: 1 });
  });
});

it("takes the Node that runs PM2's daemon first", async () => {
  putNode('tools/node', 'v20.0.0');
  mkdirSync(join(home, 'own'));
  const daemon = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], {
    stdio: 'ignore',
    env: { HOME: home },
  });
  put('own/pm2.pid', `${daemon.pid}`);
  try {
    // The real Node runs the loader, which finds no opening in what follows.
    expect((await find({ env: { PM2_HOME: join(home, 'own') } })).at(-1)).not.toContain('tools/node');
    put('own/pm2.pid', '999999999\n');
    expect((await find({ env: { PM2_HOME: join(home, 'own') } })).at(-1)).toContain('tools/node');
  } finally {
    daemon.kill('SIGKILL');
  }
});

it('waits for no probe that hangs, with and without timeout(1)', async () => {
  put('tools/node', '#!/bin/sh\nsleep 600\n');
  const node = putNode('.volta/bin/node', 'v20.0.0');
  expect(await find()).toEqual(ran(node));
  rmSync(join(home, 'tools/timeout'));
  expect(await find()).toEqual(ran(node));
});
