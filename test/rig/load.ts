import http from 'node:http';

export interface LoadOptions {
  /** What is asked for, again and again; its answer's body is taken for the version. */
  url: string;
  /** Kept connections, each with one request under way at a time; default 20. */
  connections?: number;
  /** Clients beside them that open a new connection for each request; default 0. */
  fresh?: number;
  /** Pause between an answer and the connection's next request, in milliseconds; default 10. */
  pause?: number;
  /** A request without an answer for this long has failed, in milliseconds; default 5000. */
  timeLimit?: number;
}

export interface LoadResult {
  sent: number;
  /** Refused, reset, without an answer in time, cut short, or answered by anything but 2xx. */
  failed: number;
  /** How many of each failure: an error code, `timeout`, or a status. */
  failures: Record<string, number>;
  /** Answers by version. */
  versions: Record<string, number>;
  /** From the first failure to the last one, in milliseconds; 0 with at most one. */
  failingForMs: number;
}

export interface Load {
  /** What was counted so far. */
  result(): LoadResult;
  /** Resolves once the app has answered `version`; rejects after `within` milliseconds. */
  sees(version: string, within: number): Promise<void>;
  /** Lets the requests that are under way end, and returns the whole count. */
  stop(): Promise<LoadResult>;
}

/**
 * Sends requests over kept connections until it is stopped. Nothing is tried twice: a request on a connection that
 * the server closes at that moment is lost to a real visitor, so it counts as failed.
 */
export function startLoad(options: LoadOptions): Load {
  const { url, connections = 20, fresh = 0, pause = 10, timeLimit = 5_000 } = options;
  const counted = { sent: 0, failed: 0 };
  const failures: Record<string, number> = {};
  const versions: Record<string, number> = {};
  let firstFailure = 0;
  let lastFailure = 0;
  let stopping = false;

  const fail = (reason: string): void => {
    counted.failed++;
    failures[reason] = (failures[reason] ?? 0) + 1;
    lastFailure = performance.now();
    firstFailure ||= lastFailure;
  };
  const connection = async (keepAlive: boolean): Promise<void> => {
    // One socket each, so that a lost one costs no other connection.
    const agent = new http.Agent({ keepAlive, maxSockets: 1 });
    while (!stopping) {
      counted.sent++;
      const answer = await ask(url, agent, timeLimit);
      if ('failure' in answer) fail(answer.failure);
      else versions[answer.body] = (versions[answer.body] ?? 0) + 1;
      await sleep(pause);
    }
    agent.destroy();
  };
  const running = Array.from({ length: connections + fresh }, (_, at) => connection(at < connections));

  const result = (): LoadResult => ({
    ...counted,
    failures: { ...failures },
    versions: { ...versions },
    failingForMs: lastFailure - firstFailure,
  });
  return {
    result,
    async sees(version, within) {
      const deadline = performance.now() + within;
      const before = versions[version] ?? 0;
      while ((versions[version] ?? 0) === before) {
        if (performance.now() > deadline) {
          throw new Error(`no answer of version ${version} within ${within} ms: ${JSON.stringify(result())}`);
        }
        await sleep(5);
      }
    },
    async stop() {
      stopping = true;
      await Promise.all(running);
      return result();
    },
  };
}

/** Waits, without counting, until the app answers for the first time, and only then starts the load. */
export function startLoadOnceServed(options: LoadOptions): Pick<Load, 'stop'> {
  let stopping = false;
  const started = (async () => {
    while (!stopping) {
      if ('body' in (await ask(options.url, undefined, 1_000))) return startLoad(options);
      await sleep(20);
    }
    return null;
  })();
  return {
    async stop() {
      stopping = true;
      const load = await started;
      return load ? load.stop() : { sent: 0, failed: 0, failures: {}, versions: {}, failingForMs: 0 };
    },
  };
}

type Answer = { body: string } | { failure: string };

/** One request; it settles once, whatever goes wrong. */
function ask(url: string, agent: http.Agent | undefined, timeLimit: number): Promise<Answer> {
  return new Promise((resolve) => {
    const request = http.get(url, { agent });
    const limit = setTimeout(
      () => request.destroy(Object.assign(new Error(), { code: 'timeout' })),
      timeLimit,
    );
    const settle = (answer: Answer): void => {
      clearTimeout(limit);
      resolve(answer);
    };
    const lost = (error: NodeJS.ErrnoException): void => settle({ failure: error.code ?? error.message });
    request.once('error', lost);
    request.once('response', (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('error', lost);
      response.once('end', () => {
        const status = response.statusCode ?? 0;
        settle(status >= 200 && status < 300 ? { body } : { failure: String(status) });
      });
    });
  });
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}
