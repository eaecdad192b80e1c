import { isIPv6 } from 'node:net';
import { ConnectError } from '../connect-error.ts';
import type { Endpoint } from '../identity/host-key.ts';
import { noAnswer } from './limit.ts';

/** A host with several addresses fails with several errors: the one that says most comes first here. */
const TELLING = ['ECONNREFUSED', 'ETIMEDOUT', 'EHOSTUNREACH', 'ENETUNREACH'];

type FailedConnect = NodeJS.ErrnoException & { address?: string };

/** Why there is no TCP connection, and what to do. */
export function tcpError(target: Endpoint, error: NodeJS.ErrnoException): ConnectError {
  const { label, port, setBy = 'host and port' } = target;
  const where = target.shownHost === null ? label : `${label} (${target.shownHost})`;
  const errors: FailedConnect[] = error instanceof AggregateError ? error.errors : [error];
  const code = TELLING.find((candidate) => errors.some((each) => each.code === candidate)) ?? error.code;
  switch (code) {
    case 'ENOTFOUND':
      return new ConnectError(
        'name',
        `The name of ${where} does not exist (ENOTFOUND).`,
        `Check ${setBy} for a typing error. The name of a private network is known only inside that network: connect through a bastion there (proxy-jump).`,
        error,
      );
    case 'EAI_AGAIN':
      return new ConnectError(
        'name',
        `The name of ${where} could not be looked up: the name server did not answer (EAI_AGAIN).`,
        `Run the job again. If that does not help, check the name servers of ${setBy}'s domain and of the runner.`,
        error,
      );
    case 'ECONNREFUSED':
      return new ConnectError(
        'refused',
        `${where} refused the connection to port ${port}.`,
        `The host answers, but nothing listens at that port, or a firewall rejects the connection. Check ${setBy}, and that the SSH server runs (systemctl status ssh).`,
        error,
      );
    case 'ETIMEDOUT':
      return noAnswer(target, null, 'before the system gave up', error);
    case 'EHOSTUNREACH':
    case 'ENETUNREACH':
      return new ConnectError(
        'unreachable',
        `This runner has no route to ${where} (${code}).`,
        errors.every(({ address }) => isIPv6(address ?? ''))
          ? 'This is an IPv6 address, and GitHub-hosted runners have only IPv4. Use an IPv4 address, a bastion that has both (proxy-jump), or a self-hosted runner.'
          : `Check ${setBy}. A private address can be reached only inside its network: connect through a bastion there (proxy-jump). Some firewalls reject connections in this way, too.`,
        error,
      );
    default:
      return new ConnectError(
        'unreachable',
        `${where} could not be reached at port ${port} (${code ?? 'unknown'}).`,
        `Check ${setBy}, and that the firewall lets this runner in.`,
        error,
      );
  }
}
