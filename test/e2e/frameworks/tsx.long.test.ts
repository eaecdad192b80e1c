import { expect, test } from 'vitest';
import { createSite, type Site } from '../../rig/site.ts';
import { type Flaw, livesThrough, locked, tell } from './life.ts';

/** Express in TypeScript, run by tsx behind `npm start`: nothing is built. */
function files(site: Site, name: string, flaw?: Flaw): Record<string, string> {
  const app = { name: 'api', script: 'npm', args: 'start', env: { PORT: site.port } };
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
  const load = await livesThrough(site, { files: (name, flaw) => files(site, name, flaw) });
  tell('Express by tsx, npm, fork mode', load);
  expect(load.failingForMs).toBeLessThan(10_000);
});
