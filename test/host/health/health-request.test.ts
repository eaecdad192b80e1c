import { execFile, execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { createServer, type RequestListener } from 'node:http';
import { createServer as createTlsServer } from 'node:https';
import { type AddressInfo, createServer as createTcpServer, type Server, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest';
import {
  absoluteUrl,
  complaintAbout,
  shownUrl,
  troubleAtRoot,
} from '../../../src/host/health/health-request.ts';
import { freePort } from '../../rig/free-port.ts';
import { OLDEST } from '../../rig/pm2.ts';
import { writePlainJs } from '../swap/plain-js.ts';

type Ask = (url: string, timeLimit?: number, env?: Record<string, string>) => Promise<string | null>;

const plain = writePlainJs('src/host/health/health-request.ts');
const certificates = mkdtempSync(path.join(tmpdir(), 'tls-'));
const closing: (() => Promise<void>)[] = [];

beforeAll(() => {
  const [key, cert] = ['key.pem', 'cert.pem'].map((name) => path.join(certificates, name));
  const names = 'subjectAltName=DNS:localhost';
  const args = [
    'req',
    '-x509',
    '-newkey',
    'ec',
    '-pkeyopt',
    'ec_paramgen_curve:prime256v1',
    '-nodes',
    '-days',
    '2',
  ];
  execFileSync(
    'openssl',
    [...args, '-keyout', `${key}`, '-out', `${cert}`, '-subj', '/CN=localhost', '-addext', names],
    {
      stdio: 'pipe',
    },
  );
});
afterEach(async () => {
  for (const close of closing.splice(0)) await close();
});
afterAll(() => {
  for (const directory of [plain.directory, certificates]) rmSync(directory, { recursive: true });
});

const here: Ask = (url, timeLimit = 5_000) => complaintAbout(url, { timeLimit });
const onNode16: Ask = async (url, timeLimit = 5_000, env = {}) => {
  const call = `require(${JSON.stringify(plain.file)}).complaintAbout(${JSON.stringify(url)}, { timeLimit: ${timeLimit} })`;
  const print = `${call}.then((complaint) => process.stdout.write(JSON.stringify(complaint)))`;
  const { stdout } = await promisify(execFile)(OLDEST.node, ['-e', print], { env, timeout: 20_000 });
  return JSON.parse(stdout) as string | null;
};

/** Listens on a free port, and is closed after the test with all its connections. */
async function listening(server: Server, host = '127.0.0.1'): Promise<number> {
  const sockets = new Set<Socket>();
  server.on('connection', (socket) => {
    sockets.add(socket);
    socket.on('error', () => {});
  });
  // One that nobody has at another address either.
  const port = await freePort();
  await new Promise<void>((resolve) => server.listen(port, host, resolve));
  closing.push(async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  });
  return port;
}

const web = (listener: RequestListener, host?: string): Promise<number> =>
  listening(createServer(listener), host);
const secureWeb = (): Promise<number> =>
  listening(
    createTlsServer(
      {
        key: readFileSync(path.join(certificates, 'key.pem')),
        cert: readFileSync(path.join(certificates, 'cert.pem')),
      },
      (_, response) => response.end('ok'),
    ),
  );

describe.each<[string, Ask]>([
  ['on this Node', here],
  ['on Node 16', onNode16],
])('%s', (_, ask) => {
  test.each([200, 204, 299])('%i is a good answer', async (status) => {
    const port = await web((_request, response) => response.writeHead(status).end());
    expect(await ask(`http://127.0.0.1:${port}/health`)).toBeNull();
  });

  test('what is sent: path and query, over a connection that is not kept', async () => {
    const seen: unknown[] = [];
    const port = await web(({ method, url, headers }, response) => {
      seen.push([method, url, headers.host, headers.connection]);
      response.end('ok');
    });
    expect(await ask(`http://localhost:${port}/health?key=1`)).toBeNull();
    expect(seen).toEqual([['GET', '/health?key=1', `localhost:${port}`, 'close']]);
  });

  test('localhost is either of its addresses', async () => {
    const port = await web((_request, response) => response.end('ok'), '::1');
    expect(await ask(`http://localhost:${port}/`)).toBeNull();
    expect(await ask(`http://[::1]:${port}/`)).toBeNull();
    expect(await ask(`http://127.0.0.1:${port}/`)).toContain('refuses connections');
  });

  test('500, with the first words of its body and without the query', async () => {
    const port = await web((_request, response) => {
      response.statusCode = 500;
      response.end('Error: no\n  database\r\n::error::x');
    });
    expect(await ask(`http://127.0.0.1:${port}/health?key=hunter2`)).toBe(
      `http://127.0.0.1:${port}/health?… answers 500: Error: no database ::error::x`,
    );
  });

  test('503 without a body', async () => {
    const port = await web((_request, response) => response.writeHead(503).end());
    expect(await ask(`http://127.0.0.1:${port}/`)).toMatch(/answers 503 with an empty body$/);
  });

  test('a redirect is told without its query', async () => {
    const port = await web((_request, response) =>
      response.writeHead(302, { Location: 'https://me:hunter2@sso.example/login?back=hunter2' }).end(),
    );
    expect(await ask(`http://127.0.0.1:${port}/health?key=hunter2`)).toBe(
      `http://127.0.0.1:${port}/health?… answers 302, a redirect to https://sso.example/login?…; only 2xx is healthy, and no redirect is followed`,
    );
  });

  test('a redirect is told, and not followed', async () => {
    const port = await web((request, response) => {
      if (request.url === '/login') response.end('ok');
      else response.writeHead(302, { Location: '/login' }).end();
    });
    expect(await ask(`http://127.0.0.1:${port}/health`)).toContain(
      'answers 302, a redirect to /login; only 2xx is healthy, and no redirect is followed',
    );
  });

  test('nobody is there', async () => {
    const port = await freePort();
    for (const host of ['127.0.0.1', 'localhost'])
      expect(await ask(`http://${host}:${port}/health`)).toBe(
        `http://${host}:${port}/health refuses connections (ECONNREFUSED)`,
      );
  });

  test('no answer in time', async () => {
    const port = await web(() => {});
    expect(await ask(`http://127.0.0.1:${port}/`, 200)).toMatch(/gave no answer within 0.2 s$/);
  });

  test('an answer that does not end: only what is good already is not told', async () => {
    const port = await web((request, response) => {
      response.writeHead(request.url === '/bad' ? 500 : 200);
      response.write('slowly');
    });
    expect(await ask(`http://127.0.0.1:${port}/`, 200)).toMatch(/did not finish its answer within 0.2 s$/);
    expect(await ask(`http://127.0.0.1:${port}/bad`, 200)).toMatch(/answers 500: slowly$/);
  });

  test('a connection that is closed before or in the answer', async () => {
    const before = await listening(
      createTcpServer((socket) => socket.once('data', () => socket.resetAndDestroy())),
    );
    expect(await ask(`http://127.0.0.1:${before}/`)).toMatch(/closed the connection without an answer/);
    const within = await web((_request, response) => {
      response.writeHead(200, { 'Content-Length': '100' });
      response.write('half', () => response.socket?.destroy());
    });
    expect(await ask(`http://127.0.0.1:${within}/`)).toMatch(/broke off its answer/);
  });

  test('a body without end is not read to its end, nor told', async () => {
    let stopped = false;
    const port = await web((request, response) => {
      response.statusCode = request.url === '/bad' ? 500 : 200;
      const more = (): void => {
        if (!response.destroyed) response.write('word '.repeat(5_000), () => setImmediate(more));
      };
      response.on('close', () => {
        stopped = true;
      });
      more();
    });
    expect(await ask(`http://127.0.0.1:${port}/`)).toBeNull();
    const told = await ask(`http://127.0.0.1:${port}/bad`);
    expect(told).toMatch(/ word …$/);
    expect(told?.length).toBeLessThan(1_100);
    await expect.poll(() => stopped).toBe(true);
  });

  test('what is no HTTP', async () => {
    const port = await listening(createTcpServer((socket) => socket.end('220 mail.example ESMTP\r\n')));
    expect(await ask(`http://127.0.0.1:${port}/`)).toMatch(/does not answer in HTTP \(HPE_/);
  });

  test('a name that nobody knows', async () => {
    expect(await ask(`http://${'a'.repeat(64)}.invalid/`)).toMatch(
      /a name that cannot be resolved on the server itself/,
    );
  });

  test('a certificate that is not trusted, and a way to trust it', async () => {
    const port = await secureWeb();
    const told = await ask(`https://localhost:${port}/`);
    expect(told).toMatch(/a certificate that this server does not trust \(DEPTH_ZERO_SELF_SIGNED_CERT\)/);
    expect(told).toContain('NODE_EXTRA_CA_CERTS');
    const trusting = { NODE_EXTRA_CA_CERTS: path.join(certificates, 'cert.pem') };
    expect(await onNode16(`https://localhost:${port}/`, 5_000, trusting)).toBeNull();
    expect(await onNode16(`https://127.0.0.1:${port}/`, 5_000, trusting)).toMatch(
      /a certificate for another name/,
    );
  });

  test('http for https, and https for http', async () => {
    const [secure, clear] = [await secureWeb(), await web((_request, response) => response.end('ok'))];
    expect(await ask(`https://127.0.0.1:${clear}/`)).toMatch(/does not speak TLS .*: write http:\/\//);
    expect(await ask(`http://127.0.0.1:${secure}/`)).not.toBeNull();
  });
});

test('a request can be given up', async () => {
  const port = await web(() => {});
  const abort = new AbortController();
  const asked = complaintAbout(`http://127.0.0.1:${port}/`, { cancel: abort.signal });
  abort.abort();
  expect(await asked).toContain('cannot be asked (ABORT_ERR)');
});

test.each<[string, number[], number[], string | null]>([
  ['http://h/x', [], [], 'http://h/x'],
  ['/health', [3000], [], 'http://localhost:3000/health'],
  ['/health', [3000, 9090], [3000], 'http://localhost:3000/health'],
  ['/health', [3000], [4000], 'http://localhost:3000/health'],
  ['/health', [3000, 3001], [3000, 3001], null],
  ['/health', [3000, 9090], [], null],
  ['/health', [], [3000], null],
  ['/health', [], [], null],
])('%s of an app at %j that declares %j is %s', (given, expected, declared, url) => {
  expect(absoluteUrl(given, expected, declared)).toBe(url);
});

test.each([
  ['http://h:1/a?b=hunter2#c', 'http://h:1/a?…'],
  ['https://me:hunter2@h/a', 'https://h/a'],
  ['https://hunter2@h', 'https://h'],
  ['//me:hunter2@h/a', '//h/a'],
  ['/health?key=hunter2', '/health?…'],
  ['/health@home', '/health@home'],
  ['/a#hunter2', '/a#…'],
])('%s is shown as %s', (url, shown) => {
  expect(shownUrl(url)).toBe(shown);
});

describe('troubleAtRoot', () => {
  const portOf = async (server: Server): Promise<number> => {
    await new Promise<void>((listening) => server.listen(0, '127.0.0.1', listening));
    closing.push(() => new Promise((closed) => server.close(() => closed())));
    return (server.address() as AddressInfo).port;
  };
  const answering = (status: number): Promise<number> =>
    portOf(createServer((_, response) => response.writeHead(status).end('the database is gone')));

  test.each([200, 302, 404])('takes %i for an answer', async (status) => {
    expect(await troubleAtRoot(4000, await answering(status))).toBeNull();
  });

  test('tells of 5xx', async () => {
    expect(await troubleAtRoot(4000, await answering(500))).toBe(
      'http://localhost:4000/ answers 500: the database is gone',
    );
  });

  test('tells of a connection that is closed at once, and takes TLS for what it is', async () => {
    const closes = await portOf(createTcpServer((socket) => socket.resetAndDestroy()));
    expect(await troubleAtRoot(4000, closes)).toContain('closed the connection without an answer');
    const [key, cert] = ['key.pem', 'cert.pem'].map((name) => readFileSync(path.join(certificates, name)));
    const tls = createTlsServer({ key, cert } as { key: Buffer; cert: Buffer }, (_, response) =>
      response.end(),
    );
    expect(await troubleAtRoot(4000, await portOf(tls))).toBeNull();
  });
});
