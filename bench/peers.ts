import { mkdirSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { Host } from '../test/rig/host.ts';
import { NEWEST } from '../test/rig/pm2.ts';
import type { Client } from './client.ts';

/** One way to deploy the tip of a repository's `main` to a server, as its documentation says. */
export interface Peer {
  name: string;
  /** Ends the name of its app, its directory and its ecosystem file. */
  suffix: string;
  /** What is done once, before the first deploy. */
  prepare(): Promise<void>;
  /** Deploys, and gives the milliseconds that it took. */
  deploy(): Promise<number>;
}

export interface Project {
  /** Of the directories on the server. */
  name: string;
  /** Where git clones it from. */
  url: string;
  /** What builds it; empty if nothing does. */
  build: string;
}

const SHIPIT = ['shipit-cli@5.3.0', 'shipit-deploy@5.3.0'];
const INSTALL = 'npm ci --no-audit --no-fund';

/** Installs what the peers need on the client. */
export async function installPeers(client: Client): Promise<void> {
  writeFileSync(path.join(client.directory, 'package.json'), '{"private":true}');
  await client.tool('npm', ['install', '--no-audit', '--no-fund', ...SHIPIT]);
}

/** The script that people paste. It goes back by building the commit before the current one. */
export function pastedScript(
  { name, url, build }: Project,
  client: Client,
): Peer & { back(): Promise<number> } {
  const suffix = 'script';
  const run = (get: string): Promise<number> =>
    client.run([`cd ~/${name}-${suffix}`, get, ...steps(build, suffix)].join('; '));
  return {
    name: 'the script',
    suffix,
    prepare: async () => void (await client.run(`git clone -q ${url} ~/${name}-${suffix}`)),
    deploy: () => run('git checkout -q main; git pull -q'),
    back: () => run('git checkout -q HEAD~1'),
  };
}

/** PM2's own `deploy`, with the section of an ecosystem file that its documentation shows. */
export function pm2Deploy(
  { name, url, build }: Project,
  client: Client,
  { directory, ssh, env }: Host,
): Peer {
  const suffix = 'pm2';
  const file = path.join(client.directory, `${name}-${suffix}.json`);
  const production = {
    user: ssh.username,
    host: [ssh.host],
    port: String(ssh.port),
    key: client.key,
    ref: 'origin/main',
    repo: url,
    path: `${directory}/${name}-${suffix}`,
    'post-deploy': steps(build, suffix).join(' && '),
  };
  const pm2 = (command: readonly string[]): Promise<number> =>
    client.tool(
      process.execPath,
      [`${NEWEST.pm2Root}/bin/pm2`, 'deploy', file, 'production', ...command, '--force'],
      { PM2_HOME: env.PM2_HOME ?? '' },
    );
  return {
    name: '`pm2 deploy`',
    suffix,
    async prepare() {
      writeFileSync(file, JSON.stringify({ apps: [], deploy: { production } }));
      await pm2(['setup']);
    },
    deploy: () => pm2([]),
  };
}

/** shipit with shipit-deploy, by the file that its documentation shows; the app is installed and reloaded once it is published. */
export function shipit({ name, url, build }: Project, client: Client, { directory, ssh }: Host): Peer {
  const suffix = 'shipit';
  const deployTo = `${directory}/${name}-${suffix}`;
  const here = path.join(client.directory, `${name}-${suffix}`);
  const common = {
    ...{ deployTo, repositoryUrl: url, branch: 'main', shallowClone: true, keepReleases: 5, key: client.key },
    ignores: ['.git', 'node_modules'],
  };
  const config = { default: common, production: { servers: `${ssh.username}@${ssh.host}:${ssh.port}` } };
  const restart = [`cd ${deployTo}/current`, ...steps(build, suffix)].join(' && ');
  return {
    name: 'shipit',
    suffix,
    prepare: async () => {
      mkdirSync(here);
      writeFileSync(
        path.join(here, 'shipitfile.js'),
        `module.exports = (shipit) => {
  require('shipit-deploy')(shipit);
  shipit.initConfig(${JSON.stringify(config)});
  shipit.on('published', () => shipit.start('restart'));
  shipit.blTask('restart', () => shipit.remote(${JSON.stringify(restart)}));
};
`,
      );
    },
    deploy: () =>
      client.tool(process.execPath, [
        path.join(client.directory, 'node_modules/shipit-cli/bin/shipit'),
        ...['--shipitfile', path.join(here, 'shipitfile.js'), 'production', 'deploy'],
      ]),
  };
}

/** What is done with a commit, once it is there. */
function steps(build: string, suffix: string): string[] {
  return [INSTALL, build, `pm2 startOrReload ${suffix}.config.js`].filter((step) => step !== '');
}
