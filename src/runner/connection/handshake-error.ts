import { ConnectError } from '../connect-error.ts';
import type { Endpoint } from '../identity/host-key.ts';
import type { Phase } from './limit.ts';
import { showable } from './lines.ts';
import type { AlgorithmKind, ServerHello } from './server-hello.ts';

/** What sshd and its guards say to a client that they turn away. */
const TURNED_AWAY = /MaxStartups|not allowed|too many|blocked|banned|denied|refused/i;
const TURNS_AWAY =
  'The server may be turning this runner away: for a moment, if it has too many connections (MaxStartups in sshd_config); for longer, by fail2ban, PerSourcePenalties or hosts.deny.';

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
    `${TURNS_AWAY} Also check that no firewall blocks SSH at port ${port}.`,
  );
}

function endedInLogin(label: string, how: string, banner: readonly string[]): ConnectError {
  const expired = banner.find((line) => /account has expired/i.test(line));
  return new ConnectError(
    'login',
    `${label} ended the connection during the login${how}.${expired === undefined ? '' : ` It said: ${expired}`}`,
    expired === undefined
      ? `On ${label}, see what sshd logged (journalctl -u ssh). A locked account, too many failed logins, or PAM can end a login like this.`
      : `On ${label}, remove the expiry date of the account: chage -E -1 USER.`,
  );
}

/** Where something has answered that is no SSH server, or null. */
export function notSsh({ label, port, setBy }: Endpoint, hello: ServerHello): ConnectError | null {
  const said = hello.said();
  if (said === '' || hello.isSsh() || TURNED_AWAY.test(said)) return null;
  const what = /^HTTP\//.test(said) ? 'a web server' : 'something else';
  return new ConnectError(
    'not-ssh',
    `At port ${port} of ${label} there is no SSH server, but ${what}. It said: ${said}`,
    `Set ${setBy === undefined ? 'port' : `the port in ${setBy}`} to the port of the SSH server. The default is 22.`,
  );
}

function closedAtOnce({ label, port }: Endpoint, hello: ServerHello): ConnectError {
  const said = hello.said();
  return new ConnectError(
    'closed',
    said === ''
      ? `${label} accepted the connection to port ${port} and closed it at once.`
      : `${label} accepted the connection to port ${port} and closed it at once. It said: ${said}`,
    `${TURNS_AWAY}${said === '' ? ' Or there is no SSH server at that port.' : ''}`,
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
