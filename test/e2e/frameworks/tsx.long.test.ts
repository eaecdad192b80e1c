import { execFileSync } from 'node:child_process';
import { rmSync, symlinkSync } from 'node:fs';
import path from 'node:path';
import { expect, test } from 'vitest';
import { MIDDLE, NEWEST, OLDEST } from '../../rig/pm2.ts';
import { createSite, type Site } from '../../rig/site.ts';
import { type Flaw, livesThrough, locked, tell } from './life.ts';

const BEHIND_NPM = { script: 'npm', args: 'start' };
const IN_CLUSTER = {
  script: 'src/server.ts',
  interpreter: 'node',
  node_args: '--import tsx',
  exec_mode: 'cluster',
  instances: 2,
};

/** Express in TypeScript, run as it is by tsx or ts-node: nothing is built. */
function files(
  site: Site,
  settings: Record<string, string | number>,
  name: string,
  flaw?: Flaw,
  by: 'tsx' | 'ts-node' = 'tsx',
): Record<string, string> {
  const app = { name: 'api', ...settings, env: { PORT: site.port } };
  return {
    ...locked(by),
    'tsconfig.json': JSON.stringify({
      compilerOptions: { module: 'commonjs', esModuleInterop: true, strict: false },
    }),
    'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps: [app] })};`,
    'src/server.ts': `import express from 'express';

const name: string = '${name}';
if (${flaw === 'boot'}) throw new Error('version ' + name + ' cannot boot');
const app = express();
app.get('/version', (_request, response) => {
  response.status(${flaw === '500' ? 500 : 200}).send(name);
});
app.listen(Number(process.env.PORT));
`,
  };
}

test('Express by tsx behind npm has one gap in fork mode', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  const load = await livesThrough(site, { files: (name, flaw) => files(site, BEHIND_NPM, name, flaw) });
  tell('Express by tsx, npm, fork mode', load);
  expect(load.failingForMs).toBeLessThan(10_000);
});

test.each([NEWEST, MIDDLE])(
  '$name: tsx by --import in cluster mode loses no request',
  {
    timeout: 600_000,
  },
  async (runtime) => {
    await using site = await createSite(runtime);
    const load = await livesThrough(site, { files: (name, flaw) => files(site, IN_CLUSTER, name, flaw) });
    tell(`${runtime.name}: Express by --import tsx, cluster mode`, load);
    expect(load.failed).toBeLessThan(load.sent / 100);
  },
);

/** The last npm that runs on Node 16, in place of the machine's. */
function installOldNpm({ host }: Site): void {
  const tools = path.join(host.directory, 'tools');
  const args = ['install', '--global', '--prefix', tools, '--ignore-scripts', 'npm@8.19.4'];
  execFileSync('npm', args, { stdio: 'pipe' });
  const link = path.join(host.directory, 'bin/npm');
  rmSync(link);
  symlinkSync(path.join(tools, 'bin/npm'), link);
}

test(`${OLDEST.name}: Express by ts-node behind npm has one gap in fork mode`, {
  timeout: 600_000,
}, async () => {
  await using site = await createSite(OLDEST);
  installOldNpm(site);
  const load = await livesThrough(site, {
    files: (name, flaw) => files(site, BEHIND_NPM, name, flaw, 'ts-node'),
  });
  tell(`${OLDEST.name}: Express by ts-node, npm, fork mode`, load);
  expect(load.failingForMs).toBeLessThan(20_000);
});
