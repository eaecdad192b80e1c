import { type AddressInfo, connect, createServer, type Socket } from 'node:net';

/** A way to a port of this machine, on which each byte takes a while. */
export interface FarWay {
  port: number;
  /** Bytes that the server was sent so far, and that it has sent. */
  bytes(): { up: number; down: number };
  stop(): void;
}

/** `ms` is the time in one direction. */
export async function startFarWay(to: number, ms: number): Promise<FarWay> {
  const open = new Set<Socket>();
  const bytes = { up: 0, down: 0 };
  const carry = (from: Socket, other: Socket, way: keyof typeof bytes): void => {
    open.add(from);
    from.on('data', (chunk: Buffer) => {
      bytes[way] += chunk.length;
      setTimeout(() => other.writable && other.write(chunk), ms);
    });
    from.on('end', () => setTimeout(() => other.end(), ms));
    from.on('error', () => other.destroy());
    from.on('close', () => open.delete(from));
  };
  const server = createServer({ noDelay: true, allowHalfOpen: true }, (client) => {
    const host = connect({ port: to, host: '127.0.0.1', noDelay: true, allowHalfOpen: true });
    carry(client, host, 'up');
    carry(host, client, 'down');
  });
  await new Promise<void>((resolve) => {
    server.listen(0, '127.0.0.1', resolve);
  });
  return {
    port: (server.address() as AddressInfo).port,
    bytes: () => ({ ...bytes }),
    stop() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}
