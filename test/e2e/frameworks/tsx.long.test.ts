import { expect, test } from 'vitest';
import { MIDDLE, NEWEST } from '../../rig/pm2.ts';
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

/** Express in TypeScript, run by tsx: nothing is built. */
function files(
  site: Site,
  settings: Record<string, string | number>,
  name: string,
  flaw?: Flaw,
): Record<string, string> {
  const app = { name: 'api', ...settings, env: { PORT: site.port } };
  return {
    ...locked('tsx'),
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
