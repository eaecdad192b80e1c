import net, { type AddressInfo } from 'node:net';
import ssh2, { type ServerChannel } from 'ssh2';
import type { Event, State, Word } from '../../src/protocol.ts';
import { result, SHA } from '../report/results.ts';
import { generateKeyPair } from './embedded-ssh.ts';

/** Hosts that answer as a host does, inside this process: any user is a host of its own. */
export interface SimulatedHosts extends AsyncDisposable {
  /** The inputs that say how to reach so many of them. */
  access(count: number): Record<string, string>;
  /** How many of them were connected to, and had not begun yet, at the same time. */
  mostAtOnce(): number;
}

export async function startSimulatedHosts(): Promise<SimulatedHosts> {
  const hostKey = generateKeyPair();
  const userKey = generateKeyPair();
  const beginning = new Set<object>();
  let most = 0;
  const server = new ssh2.Server({ hostKeys: [hostKey.private] }, (client) => {
    const begun = (): void => void beginning.delete(client);
    beginning.add(client);
    most = Math.max(most, beginning.size);
    client.on('error', () => {});
    client.on('close', begun);
    client.on('authentication', (context) => context.accept());
    client.on('session', (accept) => {
      accept().on('exec', (acceptExec) => simulate(acceptExec(), begun));
    });
  });
  const listener = net.createServer({ noDelay: true }, (socket) => server.injectSocket(socket));
  await new Promise<void>((resolve) => {
    listener.listen(0, '127.0.0.1', resolve);
  });
  const { port } = listener.address() as AddressInfo;
  const [type, blob] = hostKey.public.split(' ');
  return {
    access: (count) => ({
      host: Array.from({ length: count }, (_, at) => `u${at + 1}@127.0.0.1:${port}`).join('\n'),
      key: userKey.private,
      'known-hosts': `[127.0.0.1]:${port} ${type} ${blob}`,
    }),
    mostAtOnce: () => most,
    [Symbol.asyncDispose]: () =>
      new Promise((resolve) => {
        listener.close(() => resolve());
      }),
  };
}

/** Which states follow on a word, and what is said before them. */
const AFTER: Record<Exclude<Word['type'], 'cancel' | 'roll-back'>, readonly State[]> = {
  lock: ['locked', 'fetched', 'staged', 'prepared'],
  go: ['canary', 'activating', 'verifying', 'verified'],
  done: ['committed'],
};
const LINES_OF_A_BUILD = 300;

function simulate(channel: ServerChannel, begun: () => void): void {
  let nonce = '';
  let stage: 'nonce' | 'script' | 'init' | 'opening' | 'words' = 'nonce';
  let waits = false;
  let offset = 0;
  const emit = (event: Event): void => {
    const json = JSON.stringify(event);
    offset += Buffer.byteLength(json) + 1;
    channel.write(`\n${nonce} event ${offset} ${json}\n`);
  };
  const take = (line: string): void => {
    switch (stage) {
      case 'nonce':
        nonce = line;
        channel.write(`\npm2-ssh-deploy-ready ${nonce}\n`);
        stage = 'script';
        return;
      case 'script':
        if (line === nonce) stage = 'init';
        return;
      case 'init':
        if (line === nonce) stage = 'opening';
        return;
      case 'opening': {
        const { plan } = JSON.parse(line) as { plan: { deployId: string; waits: boolean } };
        const place = Buffer.from(plan.deployId).toString('hex').slice(-64).padStart(64, '0');
        begun();
        channel.write(`\n${nonce} started 1\n`);
        stage = 'words';
        waits = plan.waits;
        if (waits) emit({ type: 'ready', place, sha: SHA, healthy: true, previous: null });
        else obey({ type: 'lock', ref: null });
        return;
      }
      case 'words':
        obey(JSON.parse(line) as Word);
    }
  };
  const obey = (word: Word): void => {
    if (word.type !== 'lock' && word.type !== 'go' && word.type !== 'done') return;
    for (const state of AFTER[word.type]) {
      emit({ type: 'state', state, atMs: 1 });
      for (let line = 0; state === 'staged' && line < LINES_OF_A_BUILD; line += 1)
        emit({ type: 'output', from: 'build', text: `line ${line} of a build ${'x'.repeat(80)}` });
    }
    if (word.type === 'go' && !waits) obey({ type: 'done' });
    if (word.type === 'done') emit({ type: 'end', result: result() });
  };
  let rest = '';
  channel.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk.toString('latin1')).split('\n');
    rest = lines.pop() ?? '';
    for (const line of lines) take(line);
  });
  channel.on('error', () => {});
}
