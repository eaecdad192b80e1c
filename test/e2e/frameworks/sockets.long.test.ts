import http from 'node:http';
import { expect, test } from 'vitest';
import { createSite, type Site } from '../../rig/site.ts';
import { cluster, ecosystem, expressApp } from './express.ts';
import { type Flaw, livesThrough, tell } from './life.ts';

/** WebSockets and server-sent events that are told to come again when their instance ends. */
const ROUTES = `const { WebSocketServer } = require('ws');
const sockets = new WebSocketServer({ noServer: true });
const streams = new Set();
app.get('/events', (_request, response) => {
  response.writeHead(200, { 'content-type': 'text/event-stream' });
  response.write('retry: 100\\n\\n');
  streams.add(response);
  response.once('close', () => streams.delete(response));
});
setImmediate(() => server.on('upgrade', (request, socket, head) => {
  sockets.handleUpgrade(request, socket, head, (one) => one.send('hello'));
}));
process.on('SIGINT', () => setTimeout(() => {
  for (const one of sockets.clients) one.close(1012);
  for (const one of streams) one.end();
}, 1000));
`;

function files(site: Site, name: string, flaw?: Flaw): Record<string, string> {
  return { ...expressApp(name, flaw, ROUTES), ...ecosystem(cluster('live', site.port)) };
}

/** How connections that stay open ended, and how long their clients were without one, in milliseconds. */
interface Seen {
  ends: Record<string, number>;
  refused: number;
  longestGap: number;
}

interface Connection {
  opened: Promise<void>;
  /** Says how it ended. Rejects if it was never open. */
  ended: Promise<string>;
  close(): void;
}

/** Keeps this many connections open, each opened again 100 ms after it ended, as a browser does. */
function keepOpen(many: number, connect: () => Connection): { seen: Seen; stop(): Promise<void> } {
  const seen: Seen = { ends: {}, refused: 0, longestGap: 0 };
  const open = new Set<Connection>();
  let stopping = false;
  const client = async (): Promise<void> => {
    let lost: number | null = null;
    while (!stopping) {
      const connection = connect();
      open.add(connection);
      try {
        await connection.opened;
        if (lost !== null) seen.longestGap = Math.max(seen.longestGap, performance.now() - lost);
        const end = await connection.ended;
        lost = performance.now();
        if (!stopping) seen.ends[end] = (seen.ends[end] ?? 0) + 1;
      } catch {
        seen.refused++;
      }
      open.delete(connection);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  };
  const clients = Array.from({ length: many }, client);
  return {
    seen,
    async stop() {
      stopping = true;
      for (const connection of open) connection.close();
      await Promise.all(clients);
    },
  };
}

function webSocket(port: number): Connection {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/`);
  const opened = new Promise<void>((resolve, reject) => {
    socket.addEventListener('message', () => resolve());
    socket.addEventListener('close', ({ code }) => reject(new Error(`closed with ${code}`)));
  });
  const ended = new Promise<string>((resolve) => {
    socket.addEventListener('close', ({ code }) => resolve(`closed with ${code}`));
  });
  return { opened, ended, close: () => socket.close() };
}

function eventStream(port: number): Connection {
  const request = http.get(`http://127.0.0.1:${port}/events`, { agent: false });
  const response = new Promise<http.IncomingMessage>((resolve, reject) => {
    request.once('response', resolve).once('error', reject);
  });
  return {
    opened: response.then((stream) => void stream.resume()),
    ended: response.then(
      (stream) =>
        new Promise((resolve) => {
          stream.once('error', () => {}).once('close', () => resolve(stream.complete ? 'ended' : 'cut'));
        }),
    ),
    close: () => void request.destroy(),
  };
}

test('WebSockets and event streams are closed in order, and reach the new version at once', {
  timeout: 600_000,
}, async () => {
  await using site = await createSite();
  let sockets: Seen | undefined;
  let streams: Seen | undefined;
  const load = await livesThrough(site, {
    files: (name, flaw) => files(site, name, flaw),
    during() {
      const kept = [
        keepOpen(20, () => webSocket(site.port)),
        keepOpen(20, () => eventStream(site.port)),
      ] as const;
      sockets = kept[0].seen;
      streams = kept[1].seen;
      return { stop: async () => void (await Promise.all(kept.map((one) => one.stop()))) };
    },
  });
  tell('Express with WebSockets and event streams', load);
  console.log(`20 WebSockets: ${JSON.stringify(sockets)}; 20 event streams: ${JSON.stringify(streams)}`);
  expect(load.failures).toEqual({});
  expect(Object.keys(sockets?.ends ?? {})).toEqual(['closed with 1012']);
  expect(Object.keys(streams?.ends ?? {})).toEqual(['ended']);
  expect([sockets?.refused, streams?.refused]).toEqual([0, 0]);
});
