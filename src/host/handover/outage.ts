import { accepts } from '../health/listening.ts';

const EVERY = 20;
const ACCEPTS_WITHIN = 1_000;

/** How long these ports of this host took no connection: from now on until it is stopped, in milliseconds. */
export function watchOutage(ports: readonly number[]): { stop(): Promise<number> } {
  let stopped = false;
  let refused = 0;
  const watching = (async () => {
    let before = performance.now();
    let down = false;
    while (!stopped) {
      const taken = await Promise.all(ports.map((port) => accepts(port, '::', ACCEPTS_WITHIN)));
      const now = performance.now();
      if (down) refused += now - before;
      down = taken.includes(false);
      before = now;
      await new Promise((next) => setTimeout(next, EVERY));
    }
  })();
  return {
    async stop() {
      stopped = true;
      await watching;
      return refused;
    },
  };
}
