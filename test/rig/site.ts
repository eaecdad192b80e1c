import path from 'node:path';
import { type ActionRun, runAction } from './action.ts';
import { type FixtureOptions, fixtureApp } from './fixture-app.ts';
import { freePort } from './free-port.ts';
import { createHost, type Host } from './host.ts';
import { NEWEST, type Runtime } from './pm2.ts';
import { createRepository, type Repository } from './repository.ts';

/** A server, and an app on it that is deployed again and again, as a user's workflow does. */
export interface Site extends AsyncDisposable {
  host: Host;
  repository: Repository;
  port: number;
  live: string;
  /** The files of a version of the fixture app on this site's port. */
  files(options: Omit<FixtureOptions, 'port'>): Record<string, string>;
  /** Commits these files, or a version of the fixture app; gives the commit's id. */
  commit(version: Omit<FixtureOptions, 'port'> | { files: Record<string, string> }): string;
  /** Runs the action once, with brief times and the given inputs. */
  deploy(inputs: Record<string, string>): Promise<ActionRun>;
  /** What the live app says its version is. */
  served(): Promise<string>;
  stop(): Promise<void>;
}

/** `parent` is the directory in which the server's home is made. */
export async function createSite(runtime: Runtime = NEWEST, parent?: string): Promise<Site> {
  const host = await createHost({ runtime, ...(parent !== undefined && { parent }) });
  const repository = createRepository();
  const port = await freePort();
  const files: Site['files'] = (options) => fixtureApp({ ...options, port });
  const stop = async (): Promise<void> => {
    await host.stop();
    repository.remove();
  };
  return {
    host,
    repository,
    port,
    live: path.join(host.directory, 'shop'),
    files,
    commit: (version) => repository.commit('files' in version ? version.files : files(version)),
    deploy: (inputs) =>
      runAction({
        inputs: {
          ...host.access,
          path: 'shop',
          repository: repository.url,
          'install-command': 'none',
          'build-command': 'node build.js',
          'stable-for': '1s',
          'health-timeout': '20s',
          ...inputs,
        },
      }),
    served: async () => (await fetch(`http://127.0.0.1:${port}/version`)).text(),
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
