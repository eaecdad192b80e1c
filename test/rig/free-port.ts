import { randomInt } from 'node:crypto';
import net from 'node:net';

/** Below the ports that Linux gives to clients, and to who listens on port 0: nobody gets one of these by chance. */
const FIRST = 20_000;
const COUNT = 12_768;

let next = randomInt(COUNT);

/** A port on which nothing listens at this moment, and that this process has not given before. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = net.createServer();
    const tryNext = (): void => {
      next = (next + 1) % COUNT;
      server.listen(FIRST + next);
    };
    server.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') tryNext();
      else reject(error);
    });
    server.on('listening', () => {
      const { port } = server.address() as net.AddressInfo;
      server.close(() => resolve(port));
    });
    tryNext();
  });
}
