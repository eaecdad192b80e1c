import { ConnectError } from '../connect-error.ts';
import type { Endpoint } from '../identity/host-key.ts';
import { noAnswer } from './limit.ts';
import { showable } from './lines.ts';

/** By number, why a channel was not opened (RFC 4254, 5.1). */
const PROHIBITED = 1;
const RESOURCE_SHORTAGE = 4;

/** Why the hop `from` opens no connection to `target`; `error` is ssh2's. */
export function forwardError(from: string, target: Endpoint, error: unknown): ConnectError {
  const { label, port, setBy = 'host and port' } = target;
  const reason = showable(reasonOf(error));
  const number = reasonNumber(error);
  if (number === PROHIBITED) {
    return new ConnectError(
      'forwarding',
      `The login at ${from} worked, but ${from} does not forward to ${label} at port ${port} (${reason}).`,
      `Allow it on ${from}: set AllowTcpForwarding yes and PermitOpen in sshd_config, and remove restrict and no-port-forwarding before the key in authorized_keys.`,
      error,
    );
  }
  if (/not known|name resolution|no address|nodename/i.test(reason)) {
    return new ConnectError(
      'name',
      `${from} does not know the name of ${label} (${reason}).`,
      `${from} looks the name up. Check ${setBy} for a typing error, or set the address by which ${from} reaches ${label}.`,
      error,
    );
  }
  if (/refused/i.test(reason)) {
    return new ConnectError(
      'refused',
      `${label} refused the connection from ${from} to port ${port}.`,
      `Nothing listens at that port, or a firewall rejects it. Check ${setBy}, and that the SSH server runs on ${label}.`,
      error,
    );
  }
  if (/timed out/i.test(reason)) return noAnswer(target, from, `before ${from} gave up`, error);
  if (number === RESOURCE_SHORTAGE || /not connected|no response/i.test(reason)) {
    return new ConnectError(
      'lost',
      `The connection to ${from} ended before it led to ${label} (${reason}).`,
      `On ${from}, check the load, and what sshd logged (journalctl -u ssh).`,
      error,
    );
  }
  return new ConnectError(
    'unreachable',
    `${from} cannot reach ${label} at port ${port} (${reason}).`,
    `Check ${setBy}, and that ${from} reaches ${label}: run nc -vz ADDRESS ${port} there.`,
    error,
  );
}

/** Why a channel was not opened, in the host's words where it gave some. */
export function reasonOf(error: unknown): string {
  return (error instanceof Error ? error.message : String(error)).replace('(SSH) Channel open failure: ', '');
}

function reasonNumber(error: unknown): number | null {
  const reason = error instanceof Error ? (error as { reason?: unknown }).reason : null;
  return typeof reason === 'number' ? reason : null;
}
