import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { type ActionRun, type StartedAction, startAction } from './action.ts';
import { type FixtureOptions, fixtureApp } from './fixture-app.ts';
import { createHost, type Host } from './host.ts';
import { createNetwork } from './network.ts';
import { ROOT } from './places.ts';
import { createRepository, type Repository } from './repository.ts';

type Inputs = Record<string, string>;

/** A server without Node and PM2 of its own, and on it a container that runs PM2, with an app on a volume. */
export interface ContainerSite extends AsyncDisposable {
  host: Host;
  repository: Repository;
  /** The container's name. */
  name: string;
  /** What the container sees as /srv, on the server. */
  volume: string;
  /** Where the app answers, from the server's network. */
  url: string;
  /** Starts a new container of that name, as `docker compose up --force-recreate` does. */
  recreate(): Promise<void>;
  /** Runs the engine on the server, and returns what it prints, on stderr too. */
  engine(...args: string[]): Promise<string>;
  /** Lets the server's user know podman as docker, as Debian's package podman-docker does: the words of both are the same. */
  callItDocker(): void;
  commit(version: Omit<FixtureOptions, 'port'>): string;
  /** All inputs of a deploy into the container, with brief times; the given ones win. */
  inputs(given: Inputs): Inputs;
  start(given: Inputs): StartedAction;
  deploy(given: Inputs): Promise<ActionRun>;
  /** What the live app says its version is; null if nothing answers. */
  served(): Promise<string | null>;
}

const PORT = 3000;
const TOOLS = path.join(ROOT, 'node_modules');
/** Where the container finds node and pm2-runtime. */
const BIN = path.join(TOOLS, '.bin');
/** What the image starts: docs/containers.md shows it. */
const START = `const { existsSync } = require('node:fs');
const path = existsSync('/srv/shop/current') ? '/srv/shop/current' : '/srv/shop';
const deployed = path + '/ecosystem.config.js';
const waiting = { name: 'waits-for-the-first-deploy', script: 'sleep', args: 'infinity', interpreter: 'none' };
module.exports = {
  apps: existsSync(deployed) ? require(deployed).apps.map((app) => ({ cwd: path, ...app })) : [waiting],
};
`;

/**
 * Starts the server and the container, with real podman. The image is an empty root with this machine's /usr, read-only. The
 * container has processes, mounts and an address of its own.
 */
export async function createContainer(): Promise<ContainerSite> {
  const network = createNetwork();
  const machine = network.join();
  const host = await createHost({ bare: true });
  const repository = createRepository();
  const root = mkdtempSync(path.join(os.tmpdir(), 'container-'));
  const volume = path.join(root, 'volume');
  mkdirSync(volume);
  const name = path.basename(root).toLowerCase();
  const image = `localhost/${name}`;
  const engine: ContainerSite['engine'] = async (...args) => {
    const limits = { timeout: 120_000, maxBuffer: 2 ** 26 };
    const { stdout, stderr } = await promisify(execFile)('podman', args, limits);
    return stdout + stderr;
  };
  const recreate = async (): Promise<void> => {
    await engine('rm', '--force', '--time', '0', '--ignore', name);
    await engine(
      'run',
      ...['--runtime', 'runc', '--detach', '--name', name, '--network', `ns:/run/netns/${machine.namespace}`],
      // Some machines have no rights to raise these to podman's own defaults.
      ...['--ulimit', 'nproc=10000:10000', '--ulimit', 'nofile=10000:10000'],
      ...['--volume', `${volume}:/srv`, '--volume', '/usr:/usr:ro', '--volume', `${TOOLS}:${TOOLS}:ro`],
      ...['--volume', `${path.dirname(repository.path)}:${path.dirname(repository.path)}:ro`],
      ...['--env', 'XDG_STATE_HOME=/srv/.state', '--env', `PATH=${BIN}:/usr/bin:/bin`],
      image,
      ...['pm2-runtime', 'start', '/start.config.js', '--no-auto-exit'],
    );
  };
  const stop = async (): Promise<void> => {
    await engine('rm', '--force', '--time', '0', '--ignore', name);
    await engine('rmi', '--force', image).catch(() => {});
    await host.stop();
    network[Symbol.dispose]();
    repository.remove();
    rmSync(root, { recursive: true, force: true });
  };
  try {
    importImage(path.join(root, 'image'), image);
    await recreate();
  } catch (error) {
    await stop();
    throw error;
  }
  const url = `http://${machine.address}:${PORT}/version`;
  const inputs: ContainerSite['inputs'] = (given) => ({
    ...host.access,
    container: name,
    path: '/srv/shop',
    repository: repository.url,
    'install-command': 'none',
    'build-command': 'node build.js',
    'health-url': `:${PORT}/version`,
    'stable-for': '1s',
    'health-timeout': '20s',
    ...given,
  });
  const start: ContainerSite['start'] = (given) => startAction({ inputs: inputs(given) });
  return {
    host,
    repository,
    name,
    volume,
    url,
    recreate,
    engine,
    callItDocker: () => symlinkSync(which('podman'), path.join(host.directory, 'bin/docker')),
    commit: (version) => repository.commit(fixtureApp({ ...version, port: PORT })),
    inputs,
    start,
    deploy: (given) => start(given).done,
    served: () =>
      fetch(url).then(
        (answer) => answer.text(),
        () => null,
      ),
    [Symbol.asyncDispose]: stop,
  };
}

function which(program: string): string {
  return execFileSync('sh', ['-c', `command -v ${program}`], { encoding: 'utf8' }).trim();
}

/** An image without a registry: directories, links into /usr, a user, and what pm2-runtime is to start. */
function importImage(directory: string, image: string): void {
  const file = (name: string): string => path.join(directory, name);
  for (const name of ['dev', 'etc', 'proc', 'root', 'run', 'srv', 'sys', 'tmp', 'usr', 'var/tmp'])
    mkdirSync(file(name), { recursive: true });
  for (const name of ['bin', 'sbin', 'lib', 'lib64']) symlinkSync(`usr/${name}`, file(name));
  writeFileSync(file('etc/passwd'), 'root:x:0:0:root:/root:/bin/bash\n');
  writeFileSync(file('start.config.js'), START);
  const archive = `${directory}.tar`;
  execFileSync('tar', ['-C', directory, '-cf', archive, '.']);
  execFileSync('podman', ['import', '--quiet', archive, image], { stdio: ['ignore', 'ignore', 'pipe'] });
}
