import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect as connectSocket, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import ssh2 from 'ssh2';
import { generateKeyPair } from '../rig/embedded-ssh.ts';
import { type SshdOptions, type SshHost, startSshd } from '../rig/sshd.ts';

/** Servers that each fail in a way of their own. */
export interface Servers extends AsyncDisposable {
  /** The home of whoever logs in. */
  home: string;
  sshd(options?: Partial<SshdOptions>): Promise<SshHost>;
  /** Something that takes TCP connections; returns its port. */
  tcp(onSocket: (socket: Socket) => void): Promise<number>;
  /** A port whose connections the system drops without a word, as a firewall does. */
  silence(): Promise<number>;
  /** What sshd does with PAM where the account has expired: a word of it, then the end. */
  expired(): Promise<number>;
  /** Ends all that was started so far. */
  end(): Promise<void>;
}

const LISTENER = `
  require('node:net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, function () {
    process.stdout.write(String(this.address().port));
  });
`;

export function startServers(): Servers {
  const home = mkdtempSync(path.join(tmpdir(), 'fail-'));
  const cleanUp: Array<() => unknown> = [];
  const end = async (): Promise<void> => {
    for (const step of cleanUp.splice(0).reverse()) await step();
  };
  const tcp: Servers['tcp'] = async (onSocket) => {
    const server = createServer((socket) => {
      socket.on('error', () => {});
      cleanUp.push(() => socket.destroy());
      onSocket(socket);
    });
    cleanUp.push(() => server.close());
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    return (server.address() as AddressInfo).port;
  };
  return {
    home,
    tcp,
    async sshd(options = {}) {
      const env = { PATH: `${path.dirname(process.execPath)}:/usr/local/bin:/usr/bin:/bin` };
      const sshd = await startSshd({ home, env, ...options });
      cleanUp.push(() => sshd.stop());
      return sshd;
    },
    async silence() {
      const child = spawn(process.execPath, ['-e', LISTENER], { stdio: ['ignore', 'pipe', 'inherit'] });
      cleanUp.push(() => child.kill('SIGKILL'));
      const [port] = (await once(child.stdout, 'data')) as [Buffer];
      child.kill('SIGSTOP');
      // Nobody takes them from the queue any more: once it is full, the system drops what comes.
      for (let waiting = 0; waiting < 4; waiting += 1) {
        const socket = connectSocket(Number(port), '127.0.0.1').on('error', () => {});
        cleanUp.push(() => socket.destroy());
      }
      return Number(port);
    },
    async expired() {
      const banner = 'Your account has expired; please contact your system administrator.';
      const server = new ssh2.Server({ hostKeys: [generateKeyPair().private], banner }, (client) => {
        client.on('error', () => {});
        client.on('authentication', () => client.end());
      });
      return tcp((socket) => server.injectSocket(socket));
    },
    end,
    async [Symbol.asyncDispose]() {
      await end();
      rmSync(home, { recursive: true, force: true });
    },
  };
}
