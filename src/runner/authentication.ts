import type { AnyAuthMethod, AuthHandlerMiddleware, KeyboardInteractiveCallback, Prompt } from 'ssh2';
import { ConnectError } from './connect-error.ts';
import type { PrivateKey } from './keys.ts';

export interface Credentials {
  username: string;
  key: PrivateKey | null;
  password: string | null;
}

export interface Authentication {
  /** For ssh2; it is called only once the host key was accepted. */
  handler: AuthHandlerMiddleware;
  /** The error for a host that took none of what was offered. */
  refused(label: string): ConnectError;
}

/** Offers the key, then the password, each only where the host takes that method. */
export function authentication(credentials: Credentials): Authentication {
  const { username, key } = credentials;
  const methods = methodsOf(credentials);
  let tried = new Set<AnyAuthMethod>();
  let accepted: string[] | null = null;
  return {
    handler(left, partial, next) {
      accepted = (left as string[] | null) ?? accepted;
      // One of several factors was taken: what was refused before it may be taken now.
      if (partial) tried = new Set();
      // A key may be asked about at once: it shows its public half only. For a password the methods are asked for first.
      if (accepted === null && key === null) return next({ type: 'none', username });
      const method = methods.find(
        (candidate) => !tried.has(candidate) && (accepted === null || accepted.includes(candidate.type)),
      );
      if (method !== undefined) tried.add(method);
      next(method ?? (false as unknown as AnyAuthMethod));
    },
    refused: (label) => refused(label, credentials, accepted),
  };
}

function methodsOf({ username, key, password }: Credentials): AnyAuthMethod[] {
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
  return methods;
}

function refused(
  label: string,
  { username, key, password }: Credentials,
  accepted: string[] | null,
): ConnectError {
  const offered = [
    ...(key === null ? [] : [`the ${key.type} key ${key.fingerprint}`]),
    ...(password === null ? [] : ['a password']),
  ].join(' and ');
  const takes = accepted === null || accepted.length === 0 ? '' : ` It takes: ${accepted.join(', ')}.`;
  const remedy =
    key === null
      ? 'Check username and password. Many hosts take keys alone: then set key.'
      : `Check username, and that this line is in ~/.ssh/authorized_keys of that user on ${label}: ${key.publicLine}`;
  return new ConnectError(
    'authentication',
    `${label} refused to log in '${username}' with ${offered}.${takes}`,
    remedy,
  );
}
