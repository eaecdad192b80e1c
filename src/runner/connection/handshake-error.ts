import { ConnectError } from '../connect-error.ts';
import type { Endpoint } from '../identity/host-key.ts';
import type { Phase } from './limit.ts';
import { showable } from './lines.ts';
import type { AlgorithmKind, ServerHello } from './server-hello.ts';

/** What sshd and its guards say to a client that they turn away. */
const TURNED_AWAY = /MaxStartups|not allowed|too many|blocked|banned|denied|refused/i;
const TURNS_AWAY =
  'It may turn this runner away: with too many connections at a time (MaxStartups in sshd_config) for the moment, with fail2ban, PerSourcePenalties or hosts.deny for longer.';

/**
 * Why a connection ended between TCP and the end of the login; `reason` is ssh2's word for it, `banner` are the last lines
 * that the host showed before a login.
 */
export function handshakeError(
  target: Endpoint,
  hello: ServerHello,
  phase: Phase,
  reason: string,
  banner: readonly string[],
): ConnectError {
  const { label, port } = target;
  if (!hello.isSsh()) return notSsh(target, hello) ?? closedAtOnce(target, hello);
  const unmatched = /no matching (.+)$/i.exec(reason)?.[1];
  if (unmatched !== undefined) return noAlgorithm(label, unmatched, hello);
  const how = /no response from server/i.test(reason) ? '' : ` (${showable(reason)})`;
  if (phase === 'the login') return endedInLogin(label, how, banner);
  return new ConnectError(
    'lost',
    `${label} ended the connection during ${phase}${how}.`,
    `${TURNS_AWAY} Check also that a firewall on the way to port ${port} lets SSH through.`,
  );
}

function endedInLogin(label: string, how: string, banner: readonly string[]): ConnectError {
  const expired = banner.find((line) => /account has expired/i.test(line));
  return new ConnectError(
    'login',
    `${label} ended the connection during the login${how}.${expired === undefined ? '' : ` It said: ${expired}`}`,
    expired === undefined
      ? `On ${label}, look at what sshd says of it (journalctl -u ssh): an account that is locked, too many failed logins, or PAM may end a login like this.`
      : `On ${label}, let the account live on: chage -E -1 USER.`,
  );
}

/** Where something has answered that is no SSH server, or null. */
export function notSsh({ label, port, setBy }: Endpoint, hello: ServerHello): ConnectError | null {
  const said = hello.said();
  if (said === '' || hello.isSsh() || TURNED_AWAY.test(said)) return null;
  const what = /^HTTP\//.test(said) ? 'a web server' : 'something else';
  return new ConnectError(
    'not-ssh',
    `What answers at port ${port} of ${label} is no SSH server, but ${what}. It said: ${said}`,
    `Set ${setBy === undefined ? 'port' : `the port in ${setBy}`} to that of the SSH server, which is 22 where nobody has changed it.`,
  );
}

function closedAtOnce({ label, port }: Endpoint, hello: ServerHello): ConnectError {
  const said = hello.said();
  return new ConnectError(
    'closed',
    said === ''
      ? `${label} took the connection to port ${port}, and closed it at once.`
      : `${label} took the connection to port ${port}, and closed it at once. It said: ${said}`,
    `${TURNS_AWAY}${said === '' ? ' Or something else than an SSH server listens there.' : ''}`,
  );
}

/** ssh2's words for what has no match, and what is listed then. */
const UNMATCHED: ReadonlyArray<readonly [words: RegExp, kind: AlgorithmKind, plain: string]> = [
  [/key exchange/i, 'key exchange', 'key exchange algorithm'],
  [/host key/i, 'host key', 'host key algorithm'],
  [/cipher/i, 'cipher', 'cipher'],
  [/MAC/, 'MAC', 'MAC'],
];

function noAlgorithm(label: string, unmatched: string, hello: ServerHello): ConnectError {
  const [, kind, plain] = UNMATCHED.find(([words]) => words.test(unmatched)) ?? [null, null, unmatched];
  const offers = kind === null ? [] : hello.offers(kind);
  return new ConnectError(
    'algorithms',
    `${label} and this action have no ${plain} in common.${offers.length === 0 ? '' : ` It offers: ${offers.join(', ')}.`}`,
    `Update the SSH server on ${label}, or allow a current algorithm in its sshd_config.`,
  );
}
