import type { AnyAuthMethod, AuthHandlerMiddleware, KeyboardInteractiveCallback, Prompt } from 'ssh2';
import { ConnectError } from '../connect-error.ts';
import { type Agent, askAgent } from '../keys/agent.ts';
import type { PrivateKey } from '../keys/keys.ts';

export interface Credentials {
  username: string;
  key: PrivateKey | null;
  password: string | null;
  /** The socket of an ssh-agent, which serves where there is neither key nor password; else null. */
  agent: string | null;
}

export interface Authentication {
  /** For ssh2; it is called only once the host key was accepted. */
  handler: AuthHandlerMiddleware;
  /** The error for a host that took none of what was offered. */
  refused(label: string): ConnectError;
}

type Offered = { kind: 'agent' } | { kind: 'method'; method: AnyAuthMethod };

/** Offers the key, then the password, or the keys of the agent, each only where the host takes that method. */
export function authentication(credentials: Credentials): Authentication {
  const { username, key } = credentials;
  const offers = offersOf(credentials);
  let tried = new Set<Offered>();
  let accepted: string[] | null = null;
  let agent: Agent | ConnectError | null = null;
  let tookOne = false;
  const none = false as unknown as AnyAuthMethod;
  return {
    handler(left, partial, next) {
      accepted = (left as string[] | null) ?? accepted;
      // One of several factors was taken: what was refused before it may be taken now.
      if (partial) {
        tried = new Set();
        tookOne = true;
      }
      // A key may be asked about at once: it shows its public half only. For a password the methods are asked for first.
      if (accepted === null && key === null) return next({ type: 'none', username });
      const offered = offers.find((candidate) => !tried.has(candidate) && isTaken(candidate, accepted));
      if (offered === undefined) return next(none);
      tried.add(offered);
      if (offered.kind === 'method') return next(offered.method);
      askAgent(credentials.agent ?? '').then(
        (found) => {
          agent = found;
          next({ type: 'agent', username, agent: found.signer });
        },
        (error: ConnectError) => {
          agent = error;
          next(none);
        },
      );
    },
    refused: (label) =>
      agent === null
        ? refused(label, credentials, accepted, tookOne)
        : agent instanceof ConnectError
          ? agent
          : refusedAgent(label, username, agent, accepted),
  };
}

function isTaken(offered: Offered, accepted: string[] | null): boolean {
  const type = offered.kind === 'agent' ? 'publickey' : offered.method.type;
  return accepted === null || accepted.includes(type);
}

function offersOf({ username, key, password, agent }: Credentials): Offered[] {
  if (key === null && password === null) return agent === null ? [] : [{ kind: 'agent' }];
  const methods: AnyAuthMethod[] = [];
  if (key !== null) methods.push({ type: 'publickey', username, key: key.parsed });
  if (password !== null) {
    methods.push({ type: 'password', username, password });
    methods.push({
      type: 'keyboard-interactive',
      username,
      prompt: (
        _name: string,
        _instructions: string,
        _language: string,
        prompts: Prompt[],
        finish: KeyboardInteractiveCallback,
      ) => finish(prompts.map((prompt) => (prompt.echo === true ? '' : password))),
    });
  }
  return methods.map((method) => ({ kind: 'method', method }));
}

function refused(
  label: string,
  { username, key, password }: Credentials,
  accepted: string[] | null,
  tookOne: boolean,
): ConnectError {
  const offered = [
    ...(key === null ? [] : [`the ${key.type} key ${key.fingerprint}`]),
    ...(password === null ? [] : ['a password']),
    ...(key === null && password === null ? ['the ssh-agent'] : []),
  ].join(' and ');
  const failure = (message: string, remedy: string): ConnectError =>
    new ConnectError('authentication', `${label} ${message}.${takes(accepted)}`, remedy);
  if (tookOne && password === null) {
    return failure(
      `accepted ${offered}, but wants more to log in '${username}'`,
      'Set password too, or let the server accept a key alone for this user (AuthenticationMethods in sshd_config).',
    );
  }
  const message = `refused to log in '${username}' with ${offered}`;
  if (tookOne) return failure(message, 'It accepted the key, and wants the password too. Check password.');
  if (key === null && password !== null) {
    return failure(message, 'Check username and password. Many hosts accept only keys: then set key.');
  }
  if (accepted !== null && !accepted.includes('publickey')) {
    return failure(
      message,
      'The server accepts no key from this user. Set password, or allow keys there (PubkeyAuthentication in sshd_config).',
    );
  }
  return failure(
    message,
    `Check username. Check that ~/.ssh/authorized_keys of that user on ${label} has this line: ${key?.publicLine}`,
  );
}

function refusedAgent(
  label: string,
  username: string,
  { keys, unsigned }: Agent,
  accepted: string[] | null,
): ConnectError {
  const key = unsigned();
  if (key !== null) {
    return new ConnectError(
      'authentication',
      `${label} takes the key ${key}, but the ssh-agent did not sign with it.`,
      'The agent may be locked, or ask before each use (ssh-add -c). Add the key without that, or set key.',
    );
  }
  const which = keys.length === 1 ? 'the one key' : `all ${keys.length} keys`;
  const many =
    keys.length > 5
      ? ' A host ends the login after a few keys (MaxAuthTries). Keep fewer keys in the agent, or set key.'
      : '';
  return new ConnectError(
    'authentication',
    `${label} refused to log in '${username}' with ${which} of the ssh-agent: ${keys.join(', ')}.${takes(accepted)}`,
    `Check username. Check that ~/.ssh/authorized_keys of that user on ${label} has a line that 'ssh-add -L' prints.${many}`,
  );
}

function takes(accepted: string[] | null): string {
  return accepted === null || accepted.length === 0 ? '' : ` It accepts: ${accepted.join(', ')}.`;
}
