import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A stretch of network between a client and a server on loopback, which can fail. */
export interface Relay extends AsyncDisposable {
  port: number;
  /** Connections that were ever made through it. */
  made(): number;
  /** Resets every connection, and returns how many there were; new ones are taken. */
  cut(): number;
  /** From now on no byte gets through in either direction, and nobody is told. */
  swallow(): void;
  /** New connections get through again; those that were swallowed stay so. */
  heal(): void;
  /** Ends all connections, and takes no more. */
  stop(): Promise<void>;
}

/** Starts a relay to a port of this machine. */
export async function startRelay(to: number, address = '127.0.0.1'): Promise<Relay> {
  const pairs = new Set<[Socket, Socket | null]>();
  let swallowing = false;
  let made = 0;
  const server = createServer({ noDelay: true }, (client) => {
    made += 1;
    client.on('error', () => {});
    if (swallowing) {
      pairs.add([client, null]);
      return;
    }
    const host = connect({ port: to, host: address, noDelay: true });
    const pair: [Socket, Socket] = [client, host];
    pairs.add(pair);
    host.on('error', () => {});
    client.pipe(host);
    host.pipe(client);
    for (const [one, other] of [pair, [host, client] as const]) {
      one.once('close', () => {
        other.destroy();
        pairs.delete(pair);
      });
    }
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const cut = (): number => {
    const count = pairs.size;
    for (const [client, host] of pairs) {
      client.resetAndDestroy();
      host?.resetAndDestroy();
    }
    pairs.clear();
    return count;
  };
  const stop = async (): Promise<void> => {
    const closed = new Promise((resolve) => server.close(resolve));
    cut();
    await closed;
  };
  return {
    port: (server.address() as AddressInfo).port,
    made: () => made,
    cut,
    swallow() {
      swallowing = true;
      for (const [client, host] of pairs) {
        client.unpipe();
        host?.unpipe();
        client.pause();
        host?.pause();
      }
    },
    heal() {
      swallowing = false;
    },
    stop,
    [Symbol.asyncDispose]: stop,
  };
}

/** The inputs of the action by which it reaches a host through this relay. */
export function throughRelay(
  relay: Relay,
  access: { port: string; 'known-hosts': string },
): { port: string; 'known-hosts': string } {
  const port = String(relay.port);
  return { port, 'known-hosts': access['known-hosts'].replace(`:${access.port} `, `:${port} `) };
}
