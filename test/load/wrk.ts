import { spawn } from 'node:child_process';
import { once } from 'node:events';

/** What wrk counted. */
export interface Counted {
  sent: number;
  failed: number;
  /** Its own words, with a count above 0 each. */
  failures: Record<string, number>;
}

/** Has wrk, which has to be installed, ask over and over, with a new connection for each request. */
export function startWrk(url: string, connections: number): { stop(): Promise<Counted> } {
  const args = ['-t', '1', '-c', String(connections), '-d', '1h', '-H', 'Connection: close', url];
  const wrk = spawn('wrk', args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  wrk.stdout.setEncoding('utf8').on('data', (text: string) => {
    printed += text;
  });
  const ended = once(wrk, 'close');
  return {
    async stop() {
      wrk.kill('SIGINT');
      await ended;
      return counted(printed);
    },
  };
}

/** Reads what wrk prints at its end. Throws an Error with all of it where there is no count of requests. */
export function counted(printed: string): Counted {
  const sent = /^ *(\d+) requests in /m.exec(printed)?.[1];
  if (sent === undefined) throw new Error(`wrk did not say how many requests it sent:\n${printed}`);
  const failures: Record<string, number> = {};
  const note = (what: string, count: number): void => {
    if (count > 0) failures[what] = count;
  };
  // Answered, so they are among those that were sent.
  const bad = Number(/Non-2xx or 3xx responses: (\d+)/.exec(printed)?.[1] ?? 0);
  const sockets = /Socket errors: (.*)/.exec(printed)?.[1] ?? '';
  for (const [, what = '', count] of sockets.matchAll(/(\w+) (\d+)/g)) note(what, Number(count));
  const lost = Object.values(failures).reduce((sum, count) => sum + count, 0);
  note('not 2xx', bad);
  return { sent: Number(sent) + lost, failed: lost + bad, failures };
}
