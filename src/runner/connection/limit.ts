import { ConnectError } from '../connect-error.ts';
import type { Endpoint } from '../identity/host-key.ts';

export type Phase = 'the name lookup' | 'reaching it' | 'the SSH handshake' | 'the login';

/** The one time limit for everything up to the login at the last host. */
export interface Limit {
  /** What is under way, for the message. */
  at: Endpoint;
  phase: Phase;
  /** The label of the hop from which `at` is reached, or null if it is the runner itself. */
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
        `Looking up the name of ${at.label} took longer than ${within}.`,
        "Check the runner's name server. Or set an address instead of a name.",
      );
    case 'the SSH handshake':
      return new ConnectError(
        'timeout',
        `${at.label} accepted the TCP connection, but did not finish the SSH handshake within ${within}.`,
        `Check that port ${at.port} is the port of the SSH server. Check the load of the host, or raise connect-timeout.`,
      );
    case 'the login':
      return new ConnectError(
        'login',
        `${at.label} did not finish the login within ${within}.`,
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
        `Usually a firewall or a cloud's security group blocks this runner's address. Or ${setBy} is wrong, or the host is down. GitHub-hosted runners have no fixed address: if only some addresses are allowed, connect through a bastion (proxy-jump) or use a self-hosted runner.`,
        cause,
      )
    : new ConnectError(
        'timeout',
        `${label} did not answer ${from} at port ${port} ${when}.`,
        `Usually a firewall or a cloud's security group blocks ${from}. Or ${setBy} is wrong, or the host is down.`,
        cause,
      );
}
