/** What is wrong with a version of the app, if anything. */
export type Flaw =
  | 'throws at boot'
  | 'crashes after 1.5 s'
  | 'crashes after 2 s'
  | 'crashes after 3 s'
  | 'never listens'
  | 'never sends ready'
  | 'needs 8 s to boot'
  | 'build fails'
  | 'answers 500'
  | 'answers 500 on /health'
  | 'turns bad after 5 s';

type Json = string | number | boolean | null | Json[] | { [key: string]: Json };

export interface FixtureOptions {
  /** What `/version` answers once this version was built. */
  version: string;
  flaw?: Flaw;
  /** What it does when PM2 stops it: what the README shows, which is the default, or nothing of its own. */
  shutdown?: 'none';
  /** The port that all its instances share. */
  port: number;
  /** The app's name in PM2; default `shop`. */
  name?: string;
  /** Milliseconds for which an instance that has to end still takes requests; default 1000, as the README shows. */
  drain?: number;
  /** Settings of the ecosystem file that are added to its own, or replace them; `env` is added to. */
  settings?: { script?: string; env?: Record<string, string>; [setting: string]: Json | undefined };
  /** Further apps of the ecosystem file, and the files that they need. */
  more?: readonly Record<string, Json>[];
  moreFiles?: Record<string, string>;
  /** Lines that the build prints. */
  buildPrints?: readonly string[];
  /** Lines that the app writes to its error log as it boots. */
  appPrints?: readonly string[];
}

/** What PM2 lists for the app's instances when all is well. */
export const INSTANCES = 2;

/** For an app that nobody visits while it is reloaded: an instance ends at once, and PM2 does not wait long for one. */
export const UNVISITED = { drain: 0, settings: { listen_timeout: 1500, kill_timeout: 1600 } };

/**
 * The files of a small HTTP app that runs under PM2 in cluster mode, by path: `npm ci` needs no network,
 * `npm run build` bakes the version in, and a reload loses no request. Runs on Node 16 and later.
 */
export function fixtureApp(options: FixtureOptions): Record<string, string> {
  const name = options.name ?? 'shop';
  return {
    '.gitignore': 'node_modules\ndist\n.env\nuploads\n',
    'package.json': json({ name, version: '1.0.0', private: true, scripts: { build: 'node build.js' } }),
    'package-lock.json': json({
      name,
      version: '1.0.0',
      lockfileVersion: 3,
      requires: true,
      packages: { '': { name, version: '1.0.0' } },
    }),
    'ecosystem.config.js': ecosystem(name, options),
    'build.js': build(options),
    'version.json': json({ version: options.version }),
    'src/server.js': server(options),
    ...options.moreFiles,
  };
}

function ecosystem(name: string, { port, settings = {}, more = [] }: FixtureOptions): string {
  const app = {
    name,
    script: './dist/server.js',
    exec_mode: 'cluster',
    instances: INSTANCES,
    wait_ready: true,
    listen_timeout: 3000,
    kill_timeout: 3000,
    ...settings,
    env: { PORT: String(port), ...settings.env },
  };
  return `module.exports = { apps: ${JSON.stringify([app, ...more], null, 2)} };\n`;
}

function build({ flaw, settings = {}, buildPrints = [] }: FixtureOptions): string {
  const print = buildPrints.map((line) => `console.log(${JSON.stringify(line)});`).join('\n');
  const end =
    flaw === 'build fails'
      ? `console.error('src/server.js: the build of this version is broken');
process.exit(2);`
      : `fs.mkdirSync('dist', { recursive: true });
fs.copyFileSync('src/server.js', ${JSON.stringify(settings.script ?? 'dist/server.js')});
fs.copyFileSync('version.json', 'dist/version.json');
console.log('built');`;
  return `const fs = require('fs');
${print}
${end}
`;
}

function server({ flaw, version, shutdown, drain = 1000, appPrints = [] }: FixtureOptions): string {
  const print = appPrints.map((line) => `console.error(${JSON.stringify(line)});`).join('\n');
  if (flaw === 'throws at boot') {
    return `${print}
throw new Error('version ${version} cannot boot');
`;
  }
  if (flaw === 'never listens') {
    return `${print}
console.error('version ${version} waits for something that never comes');
setInterval(() => {}, 1000);
`;
  }
  const words: Partial<Record<Flaw, string>> = {
    'crashes after 1.5 s': 'one and a half seconds',
    'crashes after 2 s': 'two seconds',
    'crashes after 3 s': 'three seconds',
  };
  const seconds = Number(flaw?.match(/^crashes after (.*) s$/)?.[1]);
  const crash = `setTimeout(() => {
  throw new Error('version ${version} crashes after ${flaw && words[flaw]}');
}, ${seconds * 1000});`;
  const badWhen = flaw?.startsWith('answers 500')
    ? 'true'
    : flaw === 'turns bad after 5 s'
      ? 'process.uptime() > 5'
      : 'false';
  const listen = `server.listen(Number(process.env.PORT)${flaw === 'never sends ready' ? '' : ", () => process.send?.('ready')"});`;
  return `const http = require('http');
const { version } = require('./version.json');

${print}
const isBad = () => ${badWhen};
let closing = false;
const server = http.createServer((request, response) => {
  if (closing) response.setHeader('Connection', 'close');
  ${flaw === 'answers 500' ? 'response.statusCode = 500;' : ''}
  if (request.url === '/version') return response.end(version);
  if (request.url === '/slow') return setTimeout(() => response.end(version), 3000);
  if (request.url === '/settings') {
    const { env, argv } = process;
    return response.end([__filename.split('/').pop(), ...argv.slice(2), env.GREETING, env.OLD].join(' '));
  }
  if (request.url === '/health' && !isBad()) return response.end('ok');
  if (request.url === '/health') response.statusCode = 500;
  if (request.url === '/health') return response.end('version ${version} cannot reach its database\\n');
  response.statusCode = 404;
  response.end('not found');
});
${flaw === 'needs 8 s to boot' ? `setTimeout(() => { ${listen} }, 8000);` : listen}
${shutdown === 'none' ? '' : shutdownIn(drain)}
${Number.isNaN(seconds) ? '' : crash}
`;
}

/** What the README shows. */
const shutdownIn = (ms: number): string => `process.on('SIGINT', () => {
  closing = true;
  setTimeout(() => {
    server.close(() => process.exit(0));
    server.closeIdleConnections?.();
  }, ${ms});
});`;

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
