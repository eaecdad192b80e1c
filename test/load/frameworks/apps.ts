/** What a visitor of an app speaks; `visitors.ts` has one of each. */
export type Speaks = 'http' | 'https' | 'http2' | 'ws' | 'sse';

/** One way to write a server. Its versions differ in what they answer. */
export interface Framework {
  name: string;
  speaks: Speaks;
  /** CommonJS. Listens on PORT, and has `server` and what ends it, `end`, in scope. */
  source(version: string): string;
}

const PORT = 'Number(process.env.PORT)';
const close = 'const end = () => server.close(() => process.exit(0));';
const tls =
  "{ key: fs.readFileSync(__dirname + '/key.pem'), cert: fs.readFileSync(__dirname + '/cert.pem') }";

export const FRAMEWORKS: readonly Framework[] = [
  {
    name: 'http',
    speaks: 'http',
    source: (version) =>
      `const server = require('http').createServer((_, response) => response.end('${version}')).listen(${PORT});\n${close}`,
  },
  {
    name: 'https',
    speaks: 'https',
    source: (version) =>
      `const fs = require('fs');\nconst server = require('https').createServer(${tls}, (_, response) => response.end('${version}')).listen(${PORT});\n${close}`,
  },
  {
    name: 'http2',
    speaks: 'http2',
    source: (version) =>
      `const fs = require('fs');\nconst server = require('http2').createSecureServer(${tls}, (_, response) => response.end('${version}')).listen(${PORT});\n${close}`,
  },
  {
    name: 'Server-sent events',
    speaks: 'sse',
    source: (version) => `const server = require('http').createServer((_, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  const timer = setInterval(() => response.write('data: ${version}\\n\\n'), 50);
  response.once('close', () => clearInterval(timer));
}).listen(${PORT});\n${close}`,
  },
  {
    name: 'WebSocket (ws)',
    speaks: 'ws',
    source: (version) => `const server = require('http').createServer().listen(${PORT});
new (require('ws').WebSocketServer)({ server }).on('connection', (one) => one.on('message', () => one.send('${version}')));\n${close}`,
  },
  {
    name: 'Express',
    speaks: 'http',
    source: (version) => `const app = require('express')();
app.get('/', (_, response) => response.send('${version}'));
const server = app.listen(${PORT});\n${close}`,
  },
  {
    name: 'Fastify',
    speaks: 'http',
    source: (version) => `const server = require('fastify')();
server.get('/', async () => '${version}');
server.listen({ port: ${PORT}, host: '127.0.0.1' });
const end = () => server.close().then(() => process.exit(0));`,
  },
  {
    name: 'Koa',
    speaks: 'http',
    source: (version) => `const app = new (require('koa'))();
app.use((context) => { context.body = '${version}'; });
const server = app.listen(${PORT});\n${close}`,
  },
  {
    name: 'NestJS',
    speaks: 'http',
    source: (version) => `require('reflect-metadata');
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
  },
];

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

/** The files of one version that runs in every form, each on a port of its own. */
export function framework(
  { source }: Framework,
  version: string,
  ports: readonly number[],
  certificate: Record<string, string>,
): Record<string, string> {
  const apps = FORMS.map(({ mode, shutdown }, at) => ({
    name: `${mode}${shutdown ? '-ends' : ''}`,
    script: shutdown ? './ends.js' : './server.js',
    exec_mode: mode,
    instances: mode === 'fork' ? 1 : 2,
    env: { PORT: ports[at] },
  }));
  return {
    ...certificate,
    '.gitignore': 'node_modules\n',
    'package.json': '{ "name": "framework", "version": "1.0.0" }\n',
    'ecosystem.config.js': `module.exports = ${JSON.stringify({ apps })};\n`,
    'server.js': `${source(version)}\n`,
    'ends.js': `${source(version)}\nprocess.on('SIGINT', () => end());\n`,
  };
}
