import http from 'node:http';
import http2 from 'node:http2';
import https from 'node:https';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Speaks } from './apps.ts';

/** Somebody who asks an app for its version again and again, over what it keeps open. */
interface Visitor {
  /** Rejects with a word for what was lost. */
  visit(): Promise<string>;
  close(): void;
}

export interface Visits {
  sent: number;
  failed: number;
  /** How many of each failure, by its word. */
  failures: Record<string, number>;
  /** HTTP/2 streams that were refused, unread, and that the client has sent again, as RFC 9113 has it (8.7). */
  again: number;
}

/** Milliseconds without an answer after which a visit is lost. */
const TIME_LIMIT = 10_000;
const PAUSE = 40;
const REFUSED = 'refused stream';

/**
 * Has visitors come until they are stopped: `kept` ones who keep their connection, and `fresh` ones who open one for each
 * visit. Nothing is tried twice. What is open and idle may be ended, and is opened again without that counting.
 */
export function startVisits(
  speaks: Speaks,
  port: number,
  { kept, fresh }: { kept: number; fresh: number },
): { sees(version: string): Promise<void>; stop(): Promise<Visits> } {
  const visits: Visits = { sent: 0, failed: 0, failures: {}, again: 0 };
  const newVisitor = (): Visitor => VISITORS[speaks](port, () => visits.again++);
  const seen = new Set<string>();
  let stopping = false;
  const come = async (keeps: boolean): Promise<void> => {
    let visitor = newVisitor();
    while (!stopping) {
      visits.sent++;
      try {
        seen.add(await inTime(visitor.visit()));
      } catch (error) {
        const word = (error as NodeJS.ErrnoException).code ?? (error as Error).message;
        visits.failed++;
        visits.failures[word] = (visits.failures[word] ?? 0) + 1;
        visitor.close();
        visitor = newVisitor();
      }
      if (!keeps) {
        visitor.close();
        visitor = newVisitor();
      }
      await sleep(PAUSE);
    }
    visitor.close();
  };
  const all = Array.from({ length: kept + fresh }, (_, at) => come(at < kept));
  return {
    async sees(version) {
      const deadline = performance.now() + TIME_LIMIT;
      while (!seen.has(version)) {
        if (performance.now() > deadline)
          throw new Error(`nobody met version ${version}: ${JSON.stringify({ seen: [...seen], visits })}`);
        await sleep(10);
      }
    },
    async stop() {
      stopping = true;
      await Promise.all(all);
      return visits;
    },
  };
}

async function inTime(visit: Promise<string>): Promise<string> {
  const limit = new AbortController();
  try {
    const late = sleep(TIME_LIMIT, null, { signal: limit.signal });
    late.catch(() => {});
    const answer = await Promise.race([visit, late]);
    if (answer === null) throw new Error('timeout');
    return answer;
  } finally {
    limit.abort();
  }
}

const VISITORS: Record<Speaks, (port: number, onAgain: () => void) => Visitor> = {
  http: (port) =>
    asking(http, new http.Agent({ keepAlive: true, maxSockets: 1 }), `http://127.0.0.1:${port}/`),
  https: (port) =>
    asking(
      https,
      new https.Agent({ keepAlive: true, maxSockets: 1, rejectUnauthorized: false }),
      `https://127.0.0.1:${port}/`,
    ),
  http2: streams,
  ws: webSocket,
  sse: eventStream,
};

function asking(client: typeof http | typeof https, agent: http.Agent, url: string): Visitor {
  return {
    visit: () =>
      new Promise((resolve, reject) => {
        const request = client.get(url, { agent }, (response) => {
          let body = '';
          response.setEncoding('utf8').on('data', (text: string) => {
            body += text;
          });
          response.once('error', reject);
          response.once('end', () =>
            response.statusCode === 200 ? resolve(body) : reject(new Error(String(response.statusCode))),
          );
        });
        request.once('error', reject);
      }),
    close: () => agent.destroy(),
  };
}

/**
 * One session; a new one once the server has said that it goes. Node refuses a stream itself that it has not sent yet when
 * it hears that.
 */
function streams(port: number, onAgain: () => void): Visitor {
  let session: http2.ClientHttp2Session | null = null;
  const ask = (): Promise<string> =>
    new Promise((resolve, reject) => {
      if (session === null || session.closed || session.destroyed) {
        session = http2.connect(`https://127.0.0.1:${port}`, { rejectUnauthorized: false });
        session.on('error', reject);
      }
      const used = session;
      const stream = used.request({ ':path': '/' });
      let body = '';
      stream.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      stream.once('error', () => {
        const refused = stream.rstCode === http2.constants.NGHTTP2_REFUSED_STREAM && used.closed;
        reject(new Error(refused ? REFUSED : `stream ${stream.rstCode}`));
      });
      stream.once('end', () => (body === '' ? reject(new Error('empty')) : resolve(body)));
    });
  return {
    visit: () =>
      ask().catch((error: Error) => {
        if (error.message !== REFUSED) throw error;
        onAgain();
        return ask();
      }),
    close: () => session?.destroy(),
  };
}

/** A message is lost if its connection ends before the answer. */
function webSocket(port: number): Visitor {
  let socket: WebSocket | null = null;
  const isOpen = (): boolean => socket?.readyState === WebSocket.OPEN;
  const open = (): Promise<WebSocket> =>
    new Promise((resolve, reject) => {
      const opened = new WebSocket(`ws://127.0.0.1:${port}/`);
      opened.addEventListener('open', () => resolve(opened));
      opened.addEventListener('error', () => reject(new Error('refused')));
    });
  return {
    async visit() {
      if (!isOpen()) socket = await open();
      const used = socket as WebSocket;
      const over = new AbortController();
      return new Promise<string>((resolve, reject) => {
        const { signal } = over;
        used.addEventListener('message', ({ data }) => resolve(String(data)), { signal });
        used.addEventListener('close', () => reject(new Error('no answer')), { signal });
        used.send('which version?');
      }).finally(() => over.abort());
    },
    close: () => socket?.close(),
  };
}

/** The next event; a stream that ends is opened again, as a browser does, and only that may not fail. */
function eventStream(port: number): Visitor {
  let response: http.IncomingMessage | null = null;
  const open = (): Promise<http.IncomingMessage> =>
    new Promise((resolve, reject) => {
      const request = http.get(`http://127.0.0.1:${port}/`, { agent: false });
      request.once('response', (opened) => resolve(opened.setEncoding('utf8')));
      request.once('error', reject);
    });
  return {
    async visit() {
      for (;;) {
        if (response === null || response.destroyed || response.readableEnded) {
          response = await open();
          response.on('error', () => {});
        }
        const used = response;
        const event = await new Promise<string | null>((resolve) => {
          const ended = (): void => resolve(null);
          used.once('close', ended);
          used.once('data', (text: string) => {
            used.off('close', ended);
            resolve(text);
          });
        });
        if (event !== null) return /data: (.*)/.exec(event)?.[1] ?? '';
      }
    },
    close: () => response?.destroy(),
  };
}
