/** What is wrong with a version of the app, if anything. */
export type Flaw =
  | 'throws at boot'
  | 'crashes after 3 s'
  | 'never listens'
  | 'build fails'
  | 'answers 500 on /health'
  | 'turns bad after 5 s';

export interface FixtureOptions {
  /** What `/version` answers once this version was built. */
  version: string;
  flaw?: Flaw;
  /** The port that all its instances share. */
  port: number;
  /** The app's name in PM2; default `shop`. */
  name?: string;
  /** Lines that the build prints. */
  buildPrints?: readonly string[];
  /** Lines that the app writes to its error log as it boots. */
  appPrints?: readonly string[];
}

/** What PM2 lists for the app's instances when all is well. */
export const INSTANCES = 2;

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
    'ecosystem.config.js': ecosystem(name, options.port),
    'build.js': build(options),
    'version.json': json({ version: options.version }),
    'src/server.js': server(options),
  };
}

function ecosystem(name: string, port: number): string {
  const app = {
    name,
    script: './dist/server.js',
    exec_mode: 'cluster',
    instances: INSTANCES,
    wait_ready: true,
    listen_timeout: 3000,
    kill_timeout: 3000,
    env: { PORT: String(port) },
  };
  return `module.exports = { apps: [${JSON.stringify(app, null, 2)}] };\n`;
}

function build({ flaw, buildPrints = [] }: FixtureOptions): string {
  const print = buildPrints.map((line) => `console.log(${JSON.stringify(line)});`).join('\n');
  const end =
    flaw === 'build fails'
      ? `console.error('src/server.js: the build of this version is broken');
process.exit(2);`
      : `fs.mkdirSync('dist', { recursive: true });
fs.copyFileSync('src/server.js', 'dist/server.js');
fs.copyFileSync('version.json', 'dist/version.json');
console.log('built');`;
  return `const fs = require('fs');
${print}
${end}
`;
}

function server({ flaw, version, appPrints = [] }: FixtureOptions): string {
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
  const crash = `setTimeout(() => {
  throw new Error('version ${version} crashes after three seconds');
}, 3000);`;
  const badWhen =
    flaw === 'answers 500 on /health'
      ? 'true'
      : flaw === 'turns bad after 5 s'
        ? 'process.uptime() > 5'
        : 'false';
  return `const http = require('http');
const { version } = require('./version.json');

${print}
let leaving = false;
const isBad = () => ${badWhen};
const server = http.createServer((request, response) => {
  // Each client is told to take a new connection before this process takes no more.
  if (leaving) response.setHeader('Connection', 'close');
  if (request.url === '/version') return response.end(version);
  if (request.url === '/health' && !isBad()) return response.end('ok');
  if (request.url === '/health') response.statusCode = 500;
  if (request.url === '/health') return response.end('version ${version} cannot reach its database\\n');
  response.statusCode = 404;
  response.end('not found');
});
server.listen(Number(process.env.PORT), () => {
  if (process.send) process.send('ready');
});
process.on('SIGINT', () => {
  if (leaving) return;
  leaving = true;
  setTimeout(() => {
    server.close(() => process.exit(0));
    if (server.closeIdleConnections) server.closeIdleConnections();
  }, 1000);
});
${flaw === 'crashes after 3 s' ? crash : ''}
`;
}

function json(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`;
}
