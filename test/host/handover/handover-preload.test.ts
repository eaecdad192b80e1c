import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { text } from 'node:stream/consumers';
import { setTimeout as sleep } from 'node:timers/promises';
import tls from 'node:tls';
import { beforeEach, describe, expect, onTestFinished, test } from 'vitest';
import { marksOf } from '../../../src/host/handover/app-sockets.ts';
import { installPreload, PRELOAD_OPENED } from '../../../src/host/handover/preload-file.ts';
import { whileQueuesMigrate } from '../../../src/host/handover/queue-migration.ts';
import { preloadArgument } from '../../../src/host/pm2/preload-args.ts';
import { makeCertificate } from '../../rig/certificates.ts';
import { freePort } from '../../rig/free-port.ts';
import { startLoad } from '../../rig/load.ts';
import { MIDDLE, NEWEST } from '../../rig/pm2.ts';

let home: string;
let port: number;

beforeEach(async () => {
  home = mkdtempSync(path.join(tmpdir(), "it's a home "));
  onTestFinished(() => rmSync(home, { recursive: true, force: true }));
  port = await freePort();
});

interface App {
  child: ChildProcess;
  pid: number;
  /** All that it has printed. */
  said(): string;
  ended: Promise<unknown[]>;
  /** Resolves once it prints that it listens, or ends. */
  ready: Promise<void>;
  /** How often it has the preload open. */
  marks(): number;
}

interface Boot {
  deploy?: string;
  name?: string;
  node?: string;
  may?: Record<string, boolean>;
  env?: Record<string, string>;
  /** Where the preload is loaded from; by default where it was installed. */
  file?: string;
  args?: string[];
}

/** Starts a program as PM2 does in fork mode, with the preload. */
function boot(source: string, options: Boot = {}): App {
  const { deploy = 'a', name = 'web', node = NEWEST.node, env = {}, args = [] } = options;
  const file = options.file ?? installPreload(home);
  const script = path.join(home, `app-${Math.random().toString(36).slice(2)}.cjs`);
  writeFileSync(script, source);
  const argument = preloadArgument(file, options.may ?? { share: true, drain: true });
  const child = spawn(node, [argument, script, ...args], {
    env: {
      PATH: process.env.PATH,
      pm_id: deploy,
      name,
      PM2_HOME: home,
      PM2_SSH_DEPLOY_ID: deploy,
      PORT: String(port),
      ...env,
    },
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
  });
  let said = '';
  const ended = once(child, 'exit');
  const ready = new Promise<void>((resolve) => {
    for (const stream of [child.stdout, child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        said += text;
        if (said.includes('listens')) resolve();
      });
    }
    child.once('close', () => resolve());
  });
  onTestFinished(() => void child.kill('SIGKILL'));
  const pid = child.pid ?? 0;
  return { child, pid, said: () => said, ended, ready, marks: () => marksOf(pid) };
}

/** A server that answers with its deploy. */
const plain = (more = ''): string => `
const http = require('http');
const server = http.createServer((request, response) => {
  if (request.url === '/slow') return setTimeout(() => response.end('slow'), 700);
  if (request.url === '/events') {
    response.setHeader('Content-Type', 'text/event-stream');
    return response.write('data: 1\\n\\n');
  }
  response.end(process.env.PM2_SSH_DEPLOY_ID);
});
server.on('error', (error) => { console.log(error.code); process.exit(1); });
server.listen(Number(process.env.PORT), () => console.log('listens'));
${more}`;

const ask = async (route = '/'): Promise<string> => (await fetch(`http://127.0.0.1:${port}${route}`)).text();
const drained = (app: App): Promise<void> => expect.poll(app.marks).toBe(0);
/** As the host program asks it to. */
const drain = (app: App): Promise<void> =>
  whileQueuesMigrate(() => {
    app.child.kill('SIGURG');
    return drained(app);
  });

describe('fork mode, on a Node that has reusePort', () => {
  test('a successor shares the port, the old one drains: no request is lost, three times in a row', async () => {
    let old = boot(plain(), { deploy: '0' });
    await old.ready;
    expect(old.marks()).toBe(2);
    const load = startLoad({ url: `http://127.0.0.1:${port}/`, connections: 4, fresh: 3, pause: 5 });
    await load.sees('0', 5_000);
    for (const deploy of ['1', '2', '3']) {
      const next = boot(plain(), { deploy });
      await next.ready;
      await drain(old);
      // It stays until PM2 ends it, and then ends by that signal.
      expect(old.child.exitCode).toBe(null);
      old.child.kill('SIGINT');
      expect(await old.ended).toEqual([null, 'SIGINT']);
      await load.sees(deploy, 5_000);
      old = next;
    }
    const { failures, sent } = await load.stop();
    expect(failures).toEqual({});
    expect(sent).toBeGreaterThan(200);
  });

  test('every other program that wants the port meets EADDRINUSE, and is met with it', async () => {
    const first = boot(plain(), { deploy: '1' });
    await first.ready;
    for (const other of [
      boot(plain(), { deploy: '1' }),
      boot(plain(), { deploy: '2', name: 'other' }),
      boot(plain(), { deploy: '2', env: { PM2_HOME: '/elsewhere' } }),
      boot(plain(), { deploy: '2', may: { drain: true } }),
    ]) {
      await other.ended;
      expect(other.said()).toContain('EADDRINUSE');
    }
    const foreign = net.createServer().listen(port);
    await expect(once(foreign, 'listening')).rejects.toThrow('EADDRINUSE');
    first.child.kill('SIGKILL');
    await first.ended;
    foreign.listen(port);
    await once(foreign, 'listening');
    const late = boot(plain(), { deploy: '3' });
    await late.ended;
    expect(late.said()).toContain('EADDRINUSE');
    foreign.close();
  });

  test('two apps that boot at the same moment never share a port', async () => {
    for (let round = 0; round < 5; round++) {
      const both = ['one', 'two'].map((name) => boot(plain(), { name }));
      await Promise.all(both.map(({ ready }) => ready));
      await expect.poll(() => both.filter(({ child }) => child.exitCode === null).length).toBeLessThan(2);
      for (const { child } of both) child.kill('SIGKILL');
      await Promise.all(both.map(({ ended }) => ended));
    }
  });

  test.each([
    ['port, host, backlog', "server.listen(port, '127.0.0.1', 16, done)", '127.0.0.1'],
    ['port as text, backlog', 'server.listen(String(port), 16, done)', '127.0.0.1'],
    ['an object', "server.listen({ port, host: '::1', exclusive: true }, done)", '[::1]'],
    [
      'IPv4 and IPv6 apart',
      "server.listen(port, '0.0.0.0'); require('http').createServer((q, r) => r.end()).listen(port, '::1', done)",
      '[::1]',
    ],
    ['a server made late', 'setTimeout(() => server.listen(port, done), 200)', '127.0.0.1'],
    ['a name', "server.listen(port, 'localhost', done)", 'localhost'],
  ])('listen with %s can be handed over', async (_, listen, host) => {
    const source = `const port = Number(process.env.PORT); const done = () => console.log('listens');
      const server = require('http').createServer((request, response) => response.end(process.env.PM2_SSH_DEPLOY_ID));
      ${listen}`;
    const old = boot(source, { deploy: '1' });
    await old.ready;
    const next = boot(source, { deploy: '2' });
    await next.ready;
    expect([next.said(), old.marks(), next.marks()]).toEqual(['listens\n', 2, 2]);
    old.child.kill('SIGURG');
    await drained(old);
    expect((await fetch(`http://${host}:${port}/`)).status).toBe(200);
  });

  test('a second listen on a port that the app has itself fails as ever', async () => {
    const app = boot(
      plain(`server.on('listening', () => {
      http.createServer().listen(Number(process.env.PORT)).on('error', ({ code }) => console.log('second', code));
    });`),
    );
    await app.ready;
    await expect.poll(app.said).toContain('second EADDRINUSE');
  });

  test('an app with two ports is handed over, each without a lost request', async () => {
    const second = await freePort();
    const source = plain(
      `http.createServer((request, response) => response.end(process.env.PM2_SSH_DEPLOY_ID)).listen(${second});`,
    );
    const old = boot(source, { deploy: '1' });
    await old.ready;
    const loads = [port, second].map((one) =>
      startLoad({ url: `http://127.0.0.1:${one}/`, connections: 3, fresh: 2, pause: 5 }),
    );
    await Promise.all(loads.map((load) => load.sees('1', 5_000)));
    const next = boot(source, { deploy: '2' });
    await next.ready;
    await drain(old);
    old.child.kill('SIGINT');
    await Promise.all(loads.map((load) => load.sees('2', 5_000)));
    for (const load of loads) expect((await load.stop()).failures).toEqual({});
  });

  test('an app that uses node:cluster itself is handed over', async () => {
    const source = `const cluster = require('cluster');
      if (cluster.isPrimary) { cluster.fork(); cluster.fork(); } else { ${plain()} }`;
    const old = boot(source, { deploy: '1' });
    await old.ready;
    const load = startLoad({ url: `http://127.0.0.1:${port}/`, connections: 4, fresh: 2, pause: 5 });
    await load.sees('1', 5_000);
    const next = boot(source, { deploy: '2' });
    await next.ready;
    await drain(old);
    old.child.kill('SIGINT');
    await load.sees('2', 5_000);
    await old.ended;
    expect((await load.stop()).failures).toEqual({});
  });
});

describe.each([NEWEST, MIDDLE])('drain on Node of $name', ({ node }) => {
  test('without a handler a request in flight is answered, then the process ends by the signal', async () => {
    const app = boot(plain(), { node });
    await app.ready;
    const answer = ask('/slow');
    await expect.poll(() => connectionsTo(port)).toBeGreaterThan(0);
    app.child.kill('SIGINT');
    expect(await answer).toBe('slow');
    expect(await app.ended).toEqual([null, 'SIGINT']);
  });

  test('a connection that is still in its TLS handshake is answered', async () => {
    const certificate = JSON.stringify(makeCertificate(home));
    const source = plain()
      .replace('createServer(', `createServer(${certificate}, `)
      .replace("'http'", "'https'");
    const app = boot(source, { node });
    await app.ready;
    const secureContext = tls.createSecureContext();
    const raw = net.connect(port, '127.0.0.1');
    // It has a second for its first byte.
    const soon = { interval: 5 };
    await expect.poll(() => connectionsTo(port), soon).toBeGreaterThan(0);
    app.child.kill('SIGINT');
    // Its listener is closed by then.
    await expect.poll(() => reached(port), soon).toBe(false);
    const secure = tls.connect({ socket: raw, secureContext, rejectUnauthorized: false });
    secure.end('GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n');
    expect(await text(secure)).toContain('200 OK');
    expect(await app.ended).toEqual([null, 'SIGINT']);
  });

  test('an event stream and a WebSocket do not hold it', async () => {
    const upgrade = `server.on('upgrade', (request, socket) => socket.write('HTTP/1.1 101 Switching Protocols\\r\\n\\r\\n'));`;
    const app = boot(plain(upgrade), { node, env: { kill_timeout: '20000' } });
    await app.ready;
    const stream = http.get(`http://127.0.0.1:${port}/events`);
    stream.on('error', () => {});
    await once(stream, 'response');
    const socket = net.connect(port, '127.0.0.1');
    socket.on('error', () => {});
    socket.write('GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n');
    await once(socket, 'data');
    const began = Date.now();
    app.child.kill('SIGINT');
    await app.ended;
    expect(Date.now() - began).toBeLessThan(8_000);
  });

  test("a plain stop of an app with a handler of its own is the app's alone, at once", async () => {
    const app = boot(
      plain(
        "process.on('SIGINT', () => { console.log('told'); server.close(() => process.exit(7)); server.closeIdleConnections(); });",
      ),
      { node },
    );
    await app.ready;
    await ask();
    const began = Date.now();
    app.child.kill('SIGINT');
    expect(await app.ended).toEqual([7, null]);
    expect(Date.now() - began).toBeLessThan(3_000);
  });

  test("after a drain the app's own handler runs, and its close() is answered", async () => {
    const app = boot(
      plain(
        "process.on('SIGINT', () => server.close((error) => { console.log('closed', error); process.exit(7); }));",
      ),
      { node },
    );
    await app.ready;
    app.child.kill('SIGURG');
    await drained(app);
    app.child.kill('SIGINT');
    expect(await app.ended).toEqual([7, null]);
    expect(app.said()).toContain('closed undefined');
  });

  test('a process that is to be told by a message is drained by it', async () => {
    const app = boot(plain(), { node, env: { shutdown_with_message: 'true' } });
    await app.ready;
    const answer = ask('/slow');
    await expect.poll(() => connectionsTo(port)).toBeGreaterThan(0);
    app.child.send('shutdown');
    expect(await answer).toBe('slow');
    expect(await app.ended).toEqual([0, null]);
  });
});

/** A primary as PM2's daemon is one, which does nothing else for 250 ms once it has told its first worker to stop. */
const daemon = (argument: string): string => `
const cluster = require('cluster');
if (cluster.isWorker) {
  require('http').createServer((_, response) => response.end('a')).listen(Number(process.env.PORT));
} else {
  cluster.setupMaster({ execArgv: [${JSON.stringify(argument)}] });
  const pm2_env = JSON.stringify({ name: 'web', pm_id: 0, kill_timeout: 5000 });
  const [first] = [1, 2].map(() => cluster.fork({ pm2_env }));
  let listening = 0;
  cluster.on('listening', () => ++listening === 2 && console.log('listens'));
  process.on('message', () => {
    const told = Date.now();
    first.on('exit', (code, signal) => console.log('ended by', signal, 'after', Date.now() - told));
    first.process.kill('SIGINT');
    for (const end = Date.now() + 250; Date.now() < end; );
  });
}`;

test.each([NEWEST, MIDDLE])(
  'a worker ends at once without kept connections, but not before one that is on its way to it: $name',
  async ({ node }) => {
    const argument = preloadArgument(installPreload(home), { share: false, drain: true });
    const primary = boot(daemon(argument), { node, file: '/no/such/preload.cjs' });
    await primary.ready;
    primary.child.send('stop');
    const answers = Array.from({ length: 20 }, async (_, at) => {
      await sleep(at * 20);
      return new Promise((resolve, reject) => {
        const request = http.get({ port, host: '127.0.0.1', agent: false }, (response) =>
          resolve(response.resume().statusCode),
        );
        request.setTimeout(3_000, () => request.destroy(new Error('no answer'))).once('error', reject);
      });
    });
    expect(await Promise.all(answers)).toEqual(Array.from({ length: 20 }, () => 200));
    await expect.poll(primary.said).toContain('ended by SIGINT after');
    // With a kept connection it is a second.
    expect(Number(/after (\d+)/.exec(primary.said())?.[1])).toBeLessThan(950);
  },
);

describe('nothing new can break the app', () => {
  test.each([NEWEST, MIDDLE])('a preload that is gone, or is not ours to read: $name', async ({ node }) => {
    const app = boot(plain(), { node, file: '/no/such/handover.cjs' });
    await app.ready;
    expect(await ask()).toBe('a');
    expect(app.said()).toBe('listens\n');
  });

  test('outside of PM2, in a worker thread and without a listener it does nothing', async () => {
    const argument = preloadArgument(installPreload(home), { share: true, drain: true });
    const script = path.join(home, 'app.cjs');
    writeFileSync(
      script,
      `const { Worker } = require('worker_threads');
       const told = () => [process.listenerCount('SIGINT'), process.listenerCount('SIGURG'), String(require('net').Server.prototype.listen).includes('tcpOptions')];
       if (process.env.LISTENS) require('http').createServer().listen(0);
       console.log(JSON.stringify(told()));
       new Worker('console.log(String(require("net").Server.prototype.listen).includes("tcpOptions")); process.exit()', { eval: true }).on('exit', () => process.exit());`,
    );
    const run = (env: Record<string, string>): string =>
      execFileSync(NEWEST.node, [argument, script], { env: { PATH: process.env.PATH, ...env } }).toString();
    expect(run({ LISTENS: 'yes' })).toBe('[0,0,false]\nfalse\n');
    expect(run({ pm_id: '0', name: 'web' })).toBe('[0,0,true]\nfalse\n');
  });

  test('the same file is written once, readable by all', () => {
    const file = installPreload(home);
    expect(installPreload(home)).toBe(file);
    expect(PRELOAD_OPENED.test(file)).toBe(true);
    expect(readdirSync(path.dirname(file))).toEqual([path.basename(file)]);
  });
});

function reached(to: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(to, '127.0.0.1');
    socket.once('connect', () => resolve(true)).once('error', () => resolve(false));
    socket.once('connect', () => socket.destroy());
  });
}

/** Requests under way come with a connection that both sides have. */
function connectionsTo(to: number): number {
  const hex = to.toString(16).toUpperCase().padStart(4, '0');
  return execFileSync('cat', ['/proc/net/tcp', '/proc/net/tcp6'], { maxBuffer: Infinity })
    .toString()
    .split('\n')
    .filter(
      (line) => line.trim().split(/\s+/)[1]?.endsWith(`:${hex}`) && line.trim().split(/\s+/)[3] === '01',
    ).length;
}
