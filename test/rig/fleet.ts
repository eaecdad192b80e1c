import { rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type ActionOptions, type ActionRun, type StartedAction, startAction } from './action.ts';
import { fixtureApp, UNVISITED } from './fixture-app.ts';
import { freePort } from './free-port.ts';
import { createHost, type Host } from './host.ts';
import { ROOT } from './places.ts';
import { createRepository, type Repository } from './repository.ts';

type Inputs = Record<string, string>;
type Step = Omit<ActionOptions, 'inputs'>;

/** A server of a fleet: the app's port, and what is wrong with it, lie in its home. */
export interface FleetHost {
  host: Host;
  port: number;
  live: string;
  /** What its app says its version is; null if nothing answers. */
  served(): Promise<string | null>;
  /** Keeps this version of the app from booting there; null: none. */
  breakVersion(version: string | null): void;
  /** Keeps every build there from ending well, or no longer. */
  breakBuild(isBroken: boolean): void;
}

/** Several servers with one app, deployed to as one. */
export interface Fleet extends AsyncDisposable {
  hosts: FleetHost[];
  repository: Repository;
  /** Commits a version of the fixture app. Returns the commit's id. */
  commit(version: string): string;
  inputs(given: Inputs): Inputs;
  start(given: Inputs, step?: Step): StartedAction;
  deploy(given: Inputs, step?: Step): Promise<ActionRun>;
  /** Runs the step's `post`, with the state that the step left. */
  post(state: Record<string, string>, given: Inputs): Promise<ActionRun>;
  served(): Promise<(string | null)[]>;
  stop(): Promise<void>;
}

const BUILD = 'test ! -e ~/no-build && node build.js';

/** Starts so many servers on this machine, each with its own sshd, home and PM2. */
export async function createFleet(count: number, always: Inputs = {}): Promise<Fleet> {
  const first = await createHost();
  const others = await Promise.all(
    Array.from({ length: count - 1 }, () => createHost({ sshd: { alsoTakes: first.ssh.publicKey } })),
  );
  return fleetOf(
    await Promise.all([first, ...others].map(async (host) => fleetHost(host, await freePort()))),
    always,
  );
}

/** Several servers that run already, all with the first one's key, deployed to as one. */
export function fleetOf(hosts: FleetHost[], always: Inputs): Fleet {
  const repository = createRepository();
  const inputs: Fleet['inputs'] = (given) => ({
    ...hosts[0]?.host.access,
    host: hosts.map(({ host }) => `${host.access.host}:${host.access.port}`).join(', '),
    'known-hosts': hosts.map(({ host }) => host.access['known-hosts']).join('\n'),
    path: 'shop',
    repository: repository.url,
    'install-command': 'none',
    'build-command': BUILD,
    'stable-for': '500ms',
    'health-timeout': '20s',
    canary: 'off',
    ...always,
    ...given,
  });
  const start: Fleet['start'] = (given, step) => startAction({ ...step, inputs: inputs(given) });
  const stop = async (): Promise<void> => {
    await Promise.all(hosts.map(({ host }) => host.stop()));
    repository.remove();
  };
  return {
    hosts,
    repository,
    commit: (version) => repository.commit(filesOf(version)),
    inputs,
    start,
    deploy: (given, step) => start(given, step).done,
    post: (state, given) => {
      const env = Object.fromEntries(Object.entries(state).map(([key, value]) => [`STATE_${key}`, value]));
      return start(given, { script: path.join(ROOT, 'dist/post.js'), env }).done;
    },
    served: () => Promise.all(hosts.map((one) => one.served())),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** A server whose app is to listen on this port. */
export function fleetHost(host: Host, port: number): FleetHost {
  const file = (name: string): string => path.join(host.directory, name);
  writeFileSync(file('port'), String(port));
  writeFileSync(file('broken'), '');
  return {
    host,
    port,
    live: file('shop'),
    served: async () => {
      const answer = await fetch(`http://${host.access.host}:${port}/version`, {
        signal: AbortSignal.timeout(5_000),
      }).catch(() => null);
      return answer === null ? null : answer.text();
    },
    breakVersion: (version) => writeFileSync(file('broken'), version ?? ''),
    breakBuild: (isBroken) =>
      isBroken ? writeFileSync(file('no-build'), '') : rmSync(file('no-build'), { force: true }),
  };
}

/** One commit for all hosts, each of which has a port of its own and may be broken. */
function filesOf(version: string): Record<string, string> {
  const home = (name: string): string => `require('os').homedir() + '/${name}'`;
  const files = fixtureApp({ ...UNVISITED, version, port: 0 });
  return {
    ...files,
    'ecosystem.config.js': String(files['ecosystem.config.js']).replace(
      '"PORT": "0"',
      `"PORT": require('fs').readFileSync(${home('port')}, 'utf8')`,
    ),
    'src/server.js': `if (require('fs').readFileSync(${home('broken')}, 'utf8') === '${version}') throw new Error('${version} cannot boot here');\n${files['src/server.js']}`,
  };
}
