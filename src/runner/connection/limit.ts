import { ConnectError } from '../connect-error.ts';
import type { Endpoint } from '../identity/host-key.ts';

export type Phase = 'the name lookup' | 'reaching it' | 'the SSH handshake' | 'the login';

/** The one time limit for everything up to the login at the last host. */
export interface Limit {
  /** What is under way, for the message. */
  at: Endpoint;
  phase: Phase;
  /** The label of the hop from which `at` is reached, or null where it is the runner itself. */
  from: string | null;
  /** Rejects when the time is up. */
  exceeded: Promise<never>;
  stop(): void;
}

/** Starts the limit; `timeout` in milliseconds. */
export function startLimit(first: Endpoint, timeout: number): Limit {
  let timer: NodeJS.Timeout | undefined;
  const limit: Limit = {
    at: first,
    phase: 'reaching it',
    from: null,
    exceeded: new Promise((_, reject) => {
      timer = setTimeout(() => reject(late(limit, timeout / 1000)), timeout);
    }),
    stop: () => clearTimeout(timer),
  };
  limit.exceeded.catch(() => {});
  return limit;
}

function late({ at, phase, from }: Limit, seconds: number): ConnectError {
  const within = `${seconds} s (connect-timeout)`;
  switch (phase) {
    case 'reaching it':
      return noAnswer(at, from, `within ${within}`);
    case 'the name lookup':
      return new ConnectError(
        'timeout',
        `${at.label} took longer than ${within}: the lookup of its name did not end.`,
        "Check the runner's name server. With an address instead of a name nothing has to be looked up.",
      );
    case 'the SSH handshake':
      return new ConnectError(
        'timeout',
        `${at.label} took longer than ${within}: it took the TCP connection, and the SSH handshake did not end.`,
        `Check that port ${at.port} is that of the SSH server, and the load of the host; or raise connect-timeout.`,
      );
    case 'the login':
      return new ConnectError(
        'login',
        `${at.label} took longer than ${within}: the login did not end.`,
        'Check the load of the host and its name server (UseDNS in sshd_config), or raise connect-timeout.',
      );
  }
}

/** Silence, which says less than a refusal. `from` is the hop that met it, or null. */
export function noAnswer(at: Endpoint, from: string | null, when: string, cause?: unknown): ConnectError {
  const { label, port, setBy = 'host and port' } = at;
  return from === null
    ? new ConnectError(
        'timeout',
        `${label} did not answer at port ${port} ${when}.`,
        `Silence mostly means a firewall or a cloud's security group that does not let this runner's address in; else a wrong ${setBy}, or a host that is down. Runners of GitHub's have no fixed address: where only some may come in, go through a bastion (proxy-jump), or use a runner of your own.`,
        cause,
      )
    : new ConnectError(
        'timeout',
        `${label} did not answer ${from} at port ${port} ${when}.`,
        `Silence mostly means a firewall or a cloud's security group that does not let ${from} in; else a wrong ${setBy}, or a host that is down.`,
        cause,
      );
}
