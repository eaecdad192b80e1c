import path from 'node:path';
import { type ActionOptions, type ActionRun, type StartedAction, startAction } from './action.ts';
import { type FixtureOptions, fixtureApp } from './fixture-app.ts';
import { freePort } from './free-port.ts';
import { createHost, type Host } from './host.ts';
import { ROOT } from './places.ts';
import { NEWEST, type Runtime } from './pm2.ts';
import { createRepository, type Repository } from './repository.ts';

type Inputs = Record<string, string>;
type Version = Omit<FixtureOptions, 'port'>;
type Step = Omit<ActionOptions, 'inputs'>;

/** A server, and an app on it that is deployed again and again, as a user's workflow does. */
export interface Site extends AsyncDisposable {
  host: Host;
  repository: Repository;
  port: number;
  /** The app's directory. */
  live: string;
  /** The files of a version of the fixture app on this site's port. */
  files(version: Version): Record<string, string>;
  /** Commits these files, or a version of the fixture app. Returns the commit's id. */
  commit(version: Version | { files: Record<string, string> }): string;
  /** All inputs of a deploy to this site, with brief times; the given ones win. */
  inputs(given: Inputs): Inputs;
  /** Starts the action and returns at once, for tests that cancel or kill it. */
  start(given: Inputs, step?: Step): StartedAction;
  /** Runs the action to its end. */
  deploy(given: Inputs, step?: Step): Promise<ActionRun>;
  /** Runs the step's `post`, as GitHub's runner does at the job's end, with the state that the step left. */
  post(state: Record<string, string>, given: Inputs, env?: Record<string, string>): Promise<ActionRun>;
  /** What the live app says its version is. */
  served(): Promise<string>;
  stop(): Promise<void>;
}

export interface SiteOptions {
  /** For every version of the app; its name, `shop` unless given, is its directory's as well. */
  app?: Omit<Version, 'version'>;
  /** For every deploy to this site. */
  inputs?: Inputs;
}

/** Makes a site on a new host with this runtime. On a given host it makes one more, and `stop` ends that site's app alone. */
export async function createSite(
  on: Runtime | Host = NEWEST,
  { app = {}, inputs: always = {} }: SiteOptions = {},
): Promise<Site> {
  const isGiven = 'ssh' in on;
  const host = isGiven ? on : await createHost({ runtime: on });
  const name = app.name ?? 'shop';
  const repository = createRepository();
  const port = await freePort();
  const files: Site['files'] = (version) => fixtureApp({ ...app, ...version, port });
  const inputs: Site['inputs'] = (given) => ({
    ...host.access,
    path: name,
    repository: repository.url,
    'install-command': 'none',
    'build-command': 'node build.js',
    'stable-for': '1s',
    'health-timeout': '20s',
    ...always,
    ...given,
  });
  const start: Site['start'] = (given, step) => startAction({ ...step, inputs: inputs(given) });
  const stop = async (): Promise<void> => {
    if (isGiven) await host.pm2(['delete', name]).catch(() => {});
    else await host.stop();
    repository.remove();
  };
  return {
    host,
    repository,
    port,
    live: path.join(host.directory, name),
    files,
    commit: (version) => repository.commit('files' in version ? version.files : files(version)),
    inputs,
    start,
    deploy: (given, step) => start(given, step).done,
    post: (state, given, more = {}) => {
      const env = Object.fromEntries(Object.entries(state).map(([key, value]) => [`STATE_${key}`, value]));
      return start(given, { script: path.join(ROOT, 'dist/post.js'), env: { ...more, ...env } }).done;
    },
    served: async () => (await fetch(`http://127.0.0.1:${port}/version`)).text(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
