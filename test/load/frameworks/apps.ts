/** What a visitor of an app speaks; `visitors.ts` has one of each. */
export type Speaks = 'http' | 'https' | 'http2' | 'ws' | 'sse';

/** How one app of a framework runs. */
export interface Form {
  mode: 'fork' | 'cluster';
  /** Whether it has shutdown code of its own: it stops listening, and ends once all is answered. */
  shutdown: boolean;
}

export const FORMS: readonly Form[] = [
  { mode: 'cluster', shutdown: false },
  { mode: 'cluster', shutdown: true },
  { mode: 'fork', shutdown: false },
  { mode: 'fork', shutdown: true },
];

/** One way to write a server. Its versions differ in what they answer. */
export interface Framework {
  name: string;
  speaks: Speaks;
  /** The forms in which it comes. */
  forms: readonly Form[];
  /** The oldest Node that runs it, by its major version. */
  oldestNode: number;
  files(version: string): Record<string, string>;
  /** What PM2 starts. */
  start(form: Form): { script: string; args?: string };
}

/** A server in a file; `source` is CommonJS, listens on PORT, and has `server` and what ends it, `end`, in scope. */
function server(name: string, speaks: Speaks, source: (version: string) => string): Framework {
  return {
    name,
    speaks,
    forms: FORMS,
    oldestNode: 16,
    files: (version) => ({
      'package.json': '{ "name": "framework", "version": "1.0.0" }\n',
      'server.js': `${source(version)}\n`,
      'ends.js': `${source(version)}\nprocess.on('SIGINT', () => end());\n`,
    }),
    start: ({ shutdown }) => ({ script: shutdown ? './ends.js' : './server.js' }),
  };
}

/** It has shutdown code of its own. Its files are those that `built-next.ts` builds. */
function next(how: string, modes: Form['mode'][], start: { script: string; args: string }): Framework {
  return {
    name: `Next.js (${how})`,
    speaks: 'http',
    oldestNode: 20,
    forms: FORMS.filter(({ mode, shutdown }) => shutdown && modes.includes(mode)),
    files: (version) => ({ ...NEXT_FILES, 'version.txt': version }),
    start: () => start,
  };
}

/** What answers is built once for all versions, and reads its version when it starts. */
export const NEXT_FILES: Record<string, string> = {
  'package.json': '{ "name": "framework", "version": "1.0.0", "scripts": { "start": "next start" } }\n',
  'next.config.js': 'module.exports = { outputFileTracingRoot: __dirname };\n',
  'app/route.js': `import { readFileSync } from 'node:fs';
const version = process.env.PORT === undefined ? '' : readFileSync('version.txt', 'utf8');
export const dynamic = 'force-dynamic';
export const GET = () => new Response(version);
`,
};

const PORT = 'Number(process.env.PORT)';
const close = 'const end = () => server.close(() => process.exit(0));';
const tls =
  "{ key: fs.readFileSync(__dirname + '/key.pem'), cert: fs.readFileSync(__dirname + '/cert.pem') }";

export const FRAMEWORKS: readonly Framework[] = [
  server(
    'http',
    'http',
    (version) =>
      `const server = require('http').createServer((_, response) => response.end('${version}')).listen(${PORT});\n${close}`,
  ),
  server(
    'https',
    'https',
    (version) =>
      `const fs = require('fs');\nconst server = require('https').createServer(${tls}, (_, response) => response.end('${version}')).listen(${PORT});\n${close}`,
  ),
  server(
    'http2',
    'http2',
    (version) =>
      `const fs = require('fs');\nconst server = require('http2').createSecureServer(${tls}, (_, response) => response.end('${version}')).listen(${PORT});\n${close}`,
  ),
  server(
    'Server-sent events',
    'sse',
    (version) => `const server = require('http').createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => response.write('data: ${version}\\n\\n'), 50);
  response.once('close', () => clearInterval(timer));
}).listen(${PORT});\n${close}`,
  ),
  server(
    'WebSocket (ws)',
    'ws',
    (version) => `const server = require('http').createServer().listen(${PORT});
new (require('ws').WebSocketServer)({ server }).on('connection', (one) => one.on('message', () => one.send('${version}')));\n${close}`,
  ),
  server(
    'Express',
    'http',
    (version) => `const app = require('express')();
app.get('/', (_, response) => response.send('${version}'));
const server = app.listen(${PORT});\n${close}`,
  ),
  server(
    'Fastify',
    'http',
    (version) => `const server = require('fastify')();
server.get('/', async () => '${version}');
server.listen({ port: ${PORT}, host: '127.0.0.1' });
const end = () => server.close().then(() => process.exit(0));`,
  ),
  server(
    'Koa',
    'http',
    (version) => `const app = new (require('koa'))();
app.use((context) => { context.body = '${version}'; });
const server = app.listen(${PORT});\n${close}`,
  ),
  server(
    'NestJS',
    'http',
    (version) => `require('reflect-metadata');
const { Controller, Get, Module } = require('@nestjs/common');
const { NestFactory } = require('@nestjs/core');
class Api { version() { return '${version}'; } }
Get()(Api.prototype, 'version', Object.getOwnPropertyDescriptor(Api.prototype, 'version'));
Controller()(Api);
class App {}
Module({ controllers: [Api] })(App);
let server;
NestFactory.create(App, { logger: false }).then((app) => { server = app; return app.listen(${PORT}); });
const end = () => server.close().then(() => process.exit(0));`,
  ),
  next('its binary', ['cluster', 'fork'], { script: 'node_modules/next/dist/bin/next', args: 'start' }),
  next('npm start', ['fork'], { script: 'npm', args: 'start' }),
];

export function appName({ mode, shutdown }: Form): string {
  return `${mode}${shutdown ? '-ends' : ''}`;
}

/** The files of one version that runs in every form, each on a port of its own. */
export function framework(
  { files, forms, start }: Framework,
  version: string,
  ports: readonly number[],
  certificate: Record<string, string>,
): Record<string, string> {
  const apps = forms.map((form, at) => ({
    name: appName(form),
    ...start(form),
    exec_mode: form.mode,
    // On a busy machine an app may take longer to boot than the 3 s that PM2 waits; without a canary nobody gives it more.
    ...(form.mode === 'cluster' && { listen_timeout: 10_000 }),
    instances: form.mode === 'fork' ? 1 : 2,
    env: { PORT: ports[at] },
  }));
  return {
    ...files(version),
    ...certificate,
    '.gitignore': 'node_modules\n.next\n',
    'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps })};\n`,
  };
}
