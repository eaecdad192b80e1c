import ssh2, { type ParsedKey } from 'ssh2';
import { ConnectError } from '../connect-error.ts';
import { fingerprint } from '../identity/host-key.ts';

/** The keys that an ssh-agent has, and how it fared with them. */
export interface Agent {
  /** For ssh2. */
  signer: InstanceType<typeof ssh2.BaseAgent>;
  /** Each with its type and fingerprint. */
  keys: string[];
  /** The key that the host took and the agent did not sign with, or null. */
  unsigned(): string | null;
}

/** An agent is on the same machine, in milliseconds. */
const ANSWERS_WITHIN = 3_000;

/** Asks the agent behind a socket for its keys. Throws a `ConnectError`. */
export async function askAgent(socket: string): Promise<Agent> {
  const agent = new ssh2.OpenSSHAgent(socket);
  const found = await identities(agent, socket);
  if (found.length === 0) {
    throw new ConnectError(
      'authentication',
      `The ssh-agent at SSH_AUTH_SOCK (${socket}) has no usable key, or is locked.`,
      'Add a key in an earlier step: ssh-add FILE. Or set key. If key is set already, its secret is empty.',
    );
  }
  let unsigned: string | null = null;
  const sign = agent.sign.bind(agent);
  const signer = Object.assign(agent, {
    getIdentities: (done: (error: undefined, keys: ParsedKey[]) => void) => done(undefined, found),
    sign: ((
      key: ParsedKey,
      data: Buffer,
      options: never,
      done: (error?: Error, signature?: Buffer) => void,
    ) =>
      sign(key, data, options, (error, signature) => {
        if (!error) return done(undefined, signature);
        unsigned = named(key);
        done(new Error('authentication by the ssh-agent failed', { cause: error }));
      })) as typeof agent.sign,
  });
  return { signer, keys: found.map(named), unsigned: () => unsigned };
}

function identities(agent: InstanceType<typeof ssh2.OpenSSHAgent>, socket: string): Promise<ParsedKey[]> {
  return new Promise((resolve, reject) => {
    const refuse = (): void =>
      reject(
        new ConnectError(
          'authentication',
          `The ssh-agent at SSH_AUTH_SOCK (${socket}) does not answer.`,
          'Start the agent in an earlier step of the same job, and set SSH_AUTH_SOCK to its socket. Or set key. If key is set already, its secret is empty.',
        ),
      );
    const late = setTimeout(refuse, ANSWERS_WITHIN);
    agent.getIdentities((error, keys) => {
      clearTimeout(late);
      if (error) refuse();
      else resolve((keys ?? []) as ParsedKey[]);
    });
  });
}

function named(key: ParsedKey): string {
  return `${key.type} ${fingerprint(key.getPublicSSH())}`;
}
