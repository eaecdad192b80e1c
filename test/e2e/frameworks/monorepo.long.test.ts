import { execFileSync } from 'node:child_process';
import { mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { exampleWorkflow } from '../../rig/example.ts';
import { freePort } from '../../rig/free-port.ts';
import { createSite, type Site } from '../../rig/site.ts';
import { EXPRESS_HEALTH, exampleVersion, kindOf } from './example.ts';
import { livesThrough, tell } from './life.ts';

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

test('the example of a pnpm monorepo, by its workflow: the Vite bundle holds the value of its own .env, which stays, and so does the old bundle', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  installPnpm(site);
  const ports = { api: site.port, web: await freePort() };
  const env = path.join(site.live, 'apps/web/.env');
  execFileSync('git', ['init', '--quiet', site.live]);
  mkdirSync(path.dirname(env), { recursive: true });
  writeFileSync(env, 'VITE_API=https://api.example.com\n');

  const healthUrl = { ':3000/health': `:${ports.api}/health` };
  await using workflow = await exampleWorkflow('pnpm-monorepo', site.host, site.repository, healthUrl);
  const example = {
    name: 'pnpm-monorepo',
    main: 'apps/api/server.js',
    health: EXPRESS_HEALTH,
    changes: (version: string) => ({
      "app('api', 3000)": `app('api', ${ports.api})`,
      "app('web', 3001)": `app('web', ${ports.web})`,
      'version 1 of': `version ${version} of`,
    }),
  };
  const kind = kindOf(example, workflow);
  const load = await livesThrough(site, kind);
  tell('Express and Vite in a pnpm monorepo', load);
  expect(load.failures).toEqual({});
  const old = await bundle(ports.web);
  expect(await textOf(old)).toContain('version 1 of https://api.example.com');

  writeFileSync(env, 'VITE_API=https://new.example.com\n');
  const run = await kind.deploy({ ref: site.commit({ files: exampleVersion(example, '3') }) });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(await textOf(await bundle(ports.web))).toContain('version 3 of https://new.example.com');
  // A page that was open before still finds its script.
  expect(await textOf(old)).toContain('version 1 of https://api.example.com');
  expect(readFileSync(env, 'utf8')).toBe('VITE_API=https://new.example.com\n');
});
