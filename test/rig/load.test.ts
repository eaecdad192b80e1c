import http from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { startLoad, startLoadOnceServed } from './load.ts';

let server: http.Server;
afterEach(() => {
  server.closeAllConnections();
  server.close();
});

async function serve(answer: http.RequestListener): Promise<string> {
  server = http.createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/version`;
}

test('every request is counted, by version', async () => {
  let served = 0;
  const sockets = new Set<unknown>();
  const url = await serve((request, response) => {
    sockets.add(request.socket);
    served++;
    response.end('v1');
  });
  const load = startLoad({ url, connections: 3, pause: 1 });
  await load.sees('v1', 5_000);
  await load.sees('v1', 5_000);
  const result = await load.stop();
  expect(result).toEqual({
    sent: served,
    failed: 0,
    failures: {},
    versions: { v1: served },
    failingForMs: 0,
  });
  expect(sockets.size).toBe(3);
});

test('an error status, a reset, an answer cut short and a refused connection are failures', async () => {
  let count = 0;
  const url = await serve((request, response) => {
    count++;
    if (count === 1) response.writeHead(503).end();
    else if (count === 2) request.socket.resetAndDestroy();
    else if (count === 3) {
      response.writeHead(200, { 'Content-Length': '10' });
      response.write('half', () => request.socket.destroy());
    } else if (count === 5) {
      server.close();
      response.setHeader('Connection', 'close');
      response.end('v1');
    } else response.end('v1');
  });
  const load = startLoad({ url, connections: 1, pause: 1 });
  while (load.result().failures.ECONNREFUSED === undefined) await new Promise((next) => setTimeout(next, 5));
  const { sent, failed, failures, versions } = await load.stop();
  const { ECONNREFUSED: refused = 0, ...others } = failures;
  expect(versions).toEqual({ v1: 2 });
  expect(others).toEqual({ 503: 1, ECONNRESET: 2 });
  expect({ sent, failed }).toEqual({ sent: 5 + refused, failed: 3 + refused });
});

test('a request that is never answered is a failure', async () => {
  const url = await serve(() => {});
  const load = startLoad({ url, connections: 1, timeLimit: 50 });
  while (load.result().failed === 0) await new Promise((next) => setTimeout(next, 5));
  expect((await load.stop()).failures.timeout).toBeGreaterThan(0);
});

test('a connection that the server closes just as it is used again is a failure', async () => {
  const used = new Set<unknown>();
  const url = await serve(({ socket }, response) => {
    // After an answer that did not tell of it, as a process that is killed then.
    if (used.has(socket)) socket.resetAndDestroy();
    else response.end('v1');
    used.add(socket);
  });
  const load = startLoad({ url, connections: 1, pause: 1 });
  while (load.result().failed === 0) await new Promise((next) => setTimeout(next, 5));
  expect((await load.stop()).failures.ECONNRESET).toBeGreaterThan(0);
});

test('what happened before the first answer is not counted', async () => {
  let served = 0;
  const url = await serve((_request, response) => {
    served++;
    if (served <= 3) response.writeHead(503);
    response.end('v1');
  });
  const load = startLoadOnceServed({ url, connections: 1, pause: 1 });
  await expect.poll(() => served).toBeGreaterThan(10);
  expect(await load.stop()).toMatchObject({ failed: 0, sent: served - 4 });
});

test('a load that never began is empty', async () => {
  const url = await serve((_request, response) => response.writeHead(503).end());
  expect(await startLoadOnceServed({ url }).stop()).toMatchObject({ sent: 0, failed: 0 });
});
