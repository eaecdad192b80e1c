import { type Flaw, locked } from './life.ts';

/** An ecosystem file of these apps. */
export function ecosystem(...apps: Record<string, unknown>[]): Record<string, string> {
  return { 'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps })};\n` };
}

/** Settings of an Express server in cluster mode. */
export function cluster(name: string, port: number, script = 'server.js'): Record<string, unknown> {
  return {
    name,
    script,
    exec_mode: 'cluster',
    instances: 2,
    wait_ready: true,
    listen_timeout: 10_000,
    kill_timeout: 5_000,
    env: { PORT: port },
  };
}

/** `server.js` of an Express app with the shutdown code of the README; `routes` are added to `/version`. */
export function server(name: string, flaw?: Flaw, routes = ''): string {
  return `const express = require('express');
if (${flaw === 'boot'}) throw new Error('version ${name} cannot boot');
const app = express();
let closing = false;
app.use((_request, response, next) => {
  if (closing) response.setHeader('Connection', 'close');
  next();
});
${routes}
app.get('/version', (_request, response) => response.status(${flaw === '500' ? 500 : 200}).send('${name}'));
const server = app.listen(Number(process.env.PORT), () => process.send?.('ready'));
process.on('SIGINT', () => {
  closing = true;
  setTimeout(() => {
    server.close(() => process.exit(0));
    server.closeIdleConnections();
  }, 1000);
});
`;
}

/** The package.json, lockfile and server of an Express app. */
export function expressApp(name: string, flaw?: Flaw, routes?: string): Record<string, string> {
  return { ...locked('express'), 'server.js': server(name, flaw, routes) };
}
