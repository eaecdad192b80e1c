import { randomInt } from 'node:crypto';
import dgram from 'node:dgram';
import net from 'node:net';

/** Below the ports that Linux gives to clients, and to who listens on port 0: nobody gets one of these by chance. */
const FIRST = 20_001;
const COUNT = 9_999;

let next = randomInt(COUNT);

/** A port on which nothing listens at this moment, and that is given to nobody else as long as this process lives. */
export async function freePort(): Promise<number> {
  for (;;) {
    next = (next + 1) % COUNT;
    const port = FIRST + next;
    if ((await reserve(port)) && (await isFree(port))) return port;
  }
}

/** The UDP port of the same number, which nothing else in the tests uses, stands for it until this process ends. */
function reserve(port: number): Promise<boolean> {
  const socket = dgram.createSocket('udp4').unref();
  return bound(socket, () => socket.bind(port, '127.0.0.1'));
}

async function isFree(port: number): Promise<boolean> {
  const server = net.createServer();
  if (!(await bound(server, () => server.listen(port)))) return false;
  await new Promise((resolve) => server.close(resolve));
  return true;
}

/** False where somebody else has the port. */
function bound(one: dgram.Socket | net.Server, begin: () => void): Promise<boolean> {
  return new Promise((resolve, reject) => {
    one.once('listening', () => resolve(true));
    one.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'EADDRINUSE') resolve(false);
      else reject(error);
    });
    begin();
  });
}
