import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { registryCertificates, trustCertificates } from '../../rig/certificates.ts';
import { freePort } from '../../rig/free-port.ts';
import { createSite, type Site } from '../../rig/site.ts';
import { cluster, ecosystem } from './express.ts';
import { locked } from './life.ts';

const APPS = ['api', 'web'] as const;

interface Way {
  title: string;
  /** What brings the package manager, from the registry; npm is there. */
  tool: string | null;
  /** The apps that are deployed with it; the other one is left as it is. */
  apps: readonly string[];
  /** What the log says was installed and built with. */
  says: readonly string[];
  /** The files that differ from tool to tool; a lockfile is made by `manager` if there is none. */
  files: Record<string, string>;
  manager: string;
  /** How an app names the package of the repository that it uses. */
  label?: string;
}

/** Of a workspace without a tool for builds: one package of the registry, and a build of all apps. */
const root = (build: string, more: Record<string, string> = {}): Record<string, string> => ({
  'package.json': JSON.stringify({
    name: 'shop',
    version: '1.0.0',
    private: true,
    workspaces: ['apps/*', 'packages/*'],
    scripts: { build },
    dependencies: { ms: '2.1.3' },
    ...more,
  }),
});

const WAYS: readonly Way[] = [
  {
    title: 'turbo',
    tool: null,
    manager: 'npm',
    apps: APPS,
    says: ['npm ci', 'turbo run build'],
    files: {
      ...locked('turbo'),
      'turbo.json': '{ "tasks": { "build": { "dependsOn": ["^build"], "outputs": ["dist/**"] } } }',
    },
  },
  {
    title: 'nx',
    tool: null,
    manager: 'npm',
    apps: ['api'],
    says: ['npm ci', 'nx run-many'],
    files: {
      ...locked('nx'),
      'nx.json': '{ "targetDefaults": { "build": { "outputs": ["{projectRoot}/dist"], "cache": true } } }',
    },
  },
  {
    title: 'yarn 1',
    tool: 'yarn@1.22.22',
    manager: 'yarn',
    apps: ['web'],
    says: ['yarn install --frozen-lockfile'],
    files: root('yarn workspaces run build'),
  },
  {
    title: 'yarn 4',
    tool: '@yarnpkg/cli-dist@4.9.2',
    manager: 'yarn',
    apps: ['api'],
    says: ['yarn install --immutable'],
    label: 'workspace:*',
    files: {
      ...root('yarn workspaces foreach --all --exclude shop run build', { packageManager: 'yarn@4.9.2' }),
      '.yarnrc.yml': 'nodeLinker: node-modules\nenableTelemetry: false\n',
    },
  },
  {
    title: 'bun',
    tool: '@oven/bun-linux-x64@1.4.5',
    manager: 'bun',
    apps: APPS,
    says: ['bun install --frozen-lockfile'],
    label: 'workspace:*',
    files: root("bun run --filter './apps/*' build"),
  },
];

/** A version: its name is what the package says that both apps use. `flaw` is a line of the api. */
function files(way: Way, ports: Record<string, number>, version: string, flaw = ''): Record<string, string> {
  const all: Record<string, string> = {
    '.gitignore': 'node_modules\ndist\n.turbo\n.nx\n.yarn\n',
    'packages/label/package.json': JSON.stringify({
      name: 'label',
      version: '1.0.0',
      scripts: { build: 'true' },
    }),
    'packages/label/index.js': `module.exports = '${version}';\n`,
    ...ecosystem(
      ...APPS.map((app) => ({
        ...cluster(app, ports[app] ?? 0, 'dist/server.js'),
        cwd: `./apps/${app}`,
        instances: 1,
        wait_ready: false,
      })),
    ),
    ...way.files,
  };
  for (const app of APPS) {
    const serves = `require('node:http').createServer((_, response) => response.end(require('label'))).listen(process.env.PORT);\n`;
    all[`apps/${app}/package.json`] = JSON.stringify({
      name: app,
      version: '1.0.0',
      private: true,
      scripts: { build: 'mkdir -p dist && cp server.js dist/' },
      dependencies: { label: way.label ?? '1.0.0' },
    });
    all[`apps/${app}/server.js`] = `${app === 'api' ? flaw : ''}${serves}`;
  }
  return all;
}

/** Installs a package manager on the server beside the others, and gives the PATH that finds it. */
function installTool({ host }: Site, { title, tool }: Way): string {
  const prefix = path.join(host.directory, 'tools', title.replace(' ', '-'));
  const { PATH = '' } = host.env;
  if (tool === null) return PATH;
  execFileSync('npm', ['install', '--global', '--prefix', prefix, '--ignore-scripts', tool], {
    stdio: 'pipe',
  });
  return `${prefix}/bin:${prefix}/lib/node_modules/@oven/bun-linux-x64/bin:${PATH}`;
}

/** The files with the lockfile that the package manager writes for them. */
function withLockfile(
  site: Site,
  way: Way,
  env: Record<string, string>,
  all: Record<string, string>,
): Record<string, string> {
  if ('package-lock.json' in all) return all;
  const top = mkdtempSync(path.join(site.host.directory, 'lock-'));
  for (const [name, content] of Object.entries(all)) {
    mkdirSync(path.dirname(path.join(top, name)), { recursive: true });
    writeFileSync(path.join(top, name), content);
  }
  // Yarn 4 looks for the project upwards, and refuses to write a lockfile where it believes to be in CI.
  execFileSync(way.manager, ['install'], { cwd: top, env: { ...env, CI: '' }, stdio: 'pipe' });
  const read = (name: string): string => readFileSync(path.join(top, name), 'utf8');
  const lockfile = way.manager === 'bun' ? 'bun.lock' : 'yarn.lock';
  return { ...all, [lockfile]: read(lockfile), 'package.json': read('package.json') };
}

test('two apps of one repository, by turbo, nx, yarn 1, yarn 4 and bun: installed at the top, and only the chosen ones reload', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  const { host } = site;
  trustCertificates(host.directory);
  const ports: Record<string, number> = { api: site.port, web: await freePort() };
  const certificates = registryCertificates();
  const trusted: Record<string, string> = certificates === null ? {} : { NODE_EXTRA_CA_CERTS: certificates };
  const served: Record<string, string> = {};
  const expectServed = async (): Promise<void> => {
    for (const app of APPS) {
      const answer = await fetch(`http://127.0.0.1:${ports[app]}/`);
      expect([app, await answer.text()]).toEqual([app, served[app]]);
    }
  };
  const deploy = (way: Way, env: Record<string, string>, inputs: Record<string, string>) =>
    site.deploy({
      'install-command': '',
      'build-command': '',
      'shell-init': Object.entries(env)
        .map(([name, value]) => `export ${name}='${value}'`)
        .join('\n'),
      app: way.apps.join(','),
      canary: 'off',
      'stable-for': '500ms',
      ...inputs,
    });

  let last: { way: Way; env: Record<string, string> } | undefined;
  for (const way of WAYS) {
    const env = { ...trusted, PATH: installTool(site, way) };
    const all = withLockfile(site, way, { ...host.env, ...env }, files(way, ports, way.title));
    const ref = site.commit({ files: all });
    const before = await host.instances();
    const started = performance.now();
    const run = await deploy(way, env, { ref });
    console.log(`${way.title}: ${Math.round(performance.now() - started)} ms`);
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed', sha: ref } });
    for (const what of way.says) expect(run.stdout).toContain(what);
    for (const app of way.apps) served[app] = way.title;
    await expectServed();
    for (const { name, pid, cwd } of await host.instances()) {
      expect(cwd).toBe(path.join(site.live, 'apps', name));
      const isSame = before.some((one) => one.pid === pid);
      expect([name, isSame]).toEqual([name, !way.apps.includes(name)]);
    }
    last = { way, env };
  }
  if (last === undefined) throw new Error('nothing was deployed');

  const { way, env } = last;
  const flaw = "throw new Error('the api cannot boot');\n";
  const broken = withLockfile(site, way, { ...host.env, ...env }, files(way, ports, 'broken', flaw));
  const refused = await deploy(way, env, { ref: site.commit({ files: broken }), canary: 'auto' });
  expect(refused, refused.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  await expectServed();
  const back = await deploy(way, env, { mode: 'rollback' });
  expect(back, back.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  for (const app of APPS) served[app] = 'yarn 4';
  await expectServed();
});
