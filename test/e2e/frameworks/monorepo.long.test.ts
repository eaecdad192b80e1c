import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { freePort } from '../../rig/free-port.ts';
import { createSite, type Site } from '../../rig/site.ts';
import { cluster, ecosystem, server } from './express.ts';
import { AS_USERS_DO, type Flaw, livesThrough, tell } from './life.ts';

const LOCKED = path.join(import.meta.dirname, 'locked/pnpm');
const MANIFESTS = [
  'package.json',
  'pnpm-lock.yaml',
  'pnpm-workspace.yaml',
  'apps/api/package.json',
  'apps/web/package.json',
];

function files(ports: { api: number; web: number }, name: string, flaw?: Flaw): Record<string, string> {
  return {
    ...Object.fromEntries(MANIFESTS.map((file) => [file, readFileSync(path.join(LOCKED, file), 'utf8')])),
    '.gitignore': 'node_modules\ndist\n.env\n',
    ...ecosystem(
      { ...cluster('api', ports.api), cwd: './apps/api' },
      { ...cluster('web', ports.web), cwd: './apps/web' },
    ),
    'apps/api/server.js': server(name, flaw),
    'apps/web/server.js': server(name, undefined, "app.use(express.static('dist'));"),
    'apps/web/index.html': '<!doctype html><script type="module" src="/main.js"></script>\n',
    'apps/web/main.js': `document.title = \`version ${name} of \${import.meta.env.VITE_API}\`;\n`,
  };
}

/** As `npm install --global pnpm` does, for this server alone. */
function installPnpm({ host }: Site): void {
  const tools = path.join(host.directory, 'tools');
  const args = ['install', '--global', '--prefix', tools, '--ignore-scripts', 'pnpm@10.34.9'];
  execFileSync('npm', args, { stdio: 'pipe' });
  symlinkSync(path.join(tools, 'bin/pnpm'), path.join(host.directory, 'bin/pnpm'));
}

/** Where the script is that the front page loads now. */
async function bundle(port: number): Promise<string> {
  const page = await (await fetch(`http://127.0.0.1:${port}/`)).text();
  const [, script] = /src="([^"]+)"/.exec(page) ?? [];
  return `http://127.0.0.1:${port}${script}`;
}

const textOf = async (url: string): Promise<string> => (await fetch(url)).text();

test('a pnpm monorepo: the Vite bundle holds the value of its own .env, which stays, and so does the old bundle', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  installPnpm(site);
  const ports = { api: site.port, web: await freePort() };
  const env = path.join(site.live, 'apps/web/.env');
  execFileSync('git', ['init', '--quiet', site.live]);
  mkdirSync(path.dirname(env), { recursive: true });
  writeFileSync(env, 'VITE_API=https://api.example.com\n');

  const inputs = { 'health-url': `:${ports.api}/version` };
  const load = await livesThrough(site, { files: (name, flaw) => files(ports, name, flaw), inputs });
  tell('Express and Vite in a pnpm monorepo', load);
  expect(load.failures).toEqual({});
  const old = await bundle(ports.web);
  expect(await textOf(old)).toContain('version 1 of https://api.example.com');

  writeFileSync(env, 'VITE_API=https://new.example.com\n');
  const ref = site.commit({ files: files(ports, '3') });
  const run = await site.deploy({ ...AS_USERS_DO, ...inputs, ref });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await textOf(await bundle(ports.web))).toContain('version 3 of https://new.example.com');
  // A page that was open before still finds its script.
  expect(await textOf(old)).toContain('version 1 of https://api.example.com');
  expect(readFileSync(env, 'utf8')).toBe('VITE_API=https://new.example.com\n');
});
