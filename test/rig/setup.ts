import { spawnSync } from 'node:child_process';
import path from 'node:path';
import { BUILD_FAILURE, ROOT } from './places.ts';

/** Programs that the tests run for real, by the Debian package that has each. */
const NEEDED: Record<string, string> = {
  git: 'git',
  sshd: 'openssh-server',
  openssl: 'openssl',
  zsh: 'zsh',
  fish: 'fish',
  tcsh: 'tcsh',
  python3: 'python3',
  ip: 'iproute2',
  'git-lfs': 'git-lfs',
  nginx: 'nginx',
  podman: 'podman',
  runc: 'runc',
};

/**
 * Makes sure of everything that the tests run, before the first of them: a test that lacks something never skips.
 * Throws an Error that says what to install where it cannot be installed from here.
 */
export function setup(): void {
  const major = Number(process.versions.node.split('.')[0]);
  if (major < 24) {
    throw new Error(
      `The tests need Node 24 or later, as GitHub runs the action; this is ${process.version}. ` +
        'On Linux x64 `npm test` brings its own; elsewhere install it.',
    );
  }
  ensurePrograms();
  must(process.execPath, ['scripts/install.mjs', '--host-tools']);
  // Unit tests go on without a bundle; whatever runs the bundle fails with this text (see action.ts).
  const built = spawnSync(process.execPath, ['scripts/build.mjs', '--if-changed'], {
    cwd: ROOT,
    encoding: 'utf8',
  });
  delete process.env[BUILD_FAILURE];
  if (built.status !== 0) {
    const lines = `${built.stdout}${built.stderr}`.trim().split('\n');
    process.env[BUILD_FAILURE] = lines.slice(-8).join('\n') || 'the build could not be started';
    console.error(
      `The action could not be built, so tests that run it will fail:\n${process.env[BUILD_FAILURE]}`,
    );
  }
}

function ensurePrograms(): void {
  const missing = missingPrograms();
  if (missing.length === 0) return;
  const packages = missing.map((program) => NEEDED[program] ?? program);
  const asRoot = process.getuid?.() === 0 ? [] : ['sudo', '-n'];
  // A machine that was just started may be at its own updates, which hold apt's lock.
  const patient = ['-o', 'DPkg::Lock::Timeout=300', '-o', 'Acquire::Retries=3'];
  const apt = (...args: string[]): boolean => {
    const command = ['env', 'DEBIAN_FRONTEND=noninteractive', 'apt-get', ...patient, ...args];
    const [file = '', ...rest] = [...asRoot, ...command];
    return spawnSync(file, rest, { stdio: ['ignore', 'inherit', 'inherit'] }).status === 0;
  };
  console.error(`The tests need ${missing.join(', ')}: installing ${packages.join(' ')} ...`);
  // No verdict on the update alone: an index that is only partly out of reach may be good enough.
  apt('update', '-q');
  apt('install', '-q', '-y', '--no-install-recommends', ...packages);
  const still = missingPrograms();
  if (still.length > 0) {
    throw new Error(
      `The tests run real programs, and ${still.join(', ')} could not be found or installed. On Debian or Ubuntu: ` +
        `sudo apt-get install ${packages.join(' ')}. Elsewhere install them so that they are on PATH.`,
    );
  }
}

function missingPrograms(): string[] {
  // sshd and nginx lie where only root's PATH looks.
  const search = [process.env.PATH, '/usr/sbin', '/usr/local/sbin', '/sbin'].join(':');
  return Object.keys(NEEDED).filter(
    (program) => spawnSync('sh', ['-c', 'command -v "$0"', program], { env: { PATH: search } }).status !== 0,
  );
}

function must(file: string, args: string[]): void {
  const result = spawnSync(file, args, { cwd: ROOT, stdio: ['ignore', 'inherit', 'inherit'] });
  if (result.status !== 0) throw new Error(`${path.basename(file)} ${args.join(' ')} failed; see above.`);
}
