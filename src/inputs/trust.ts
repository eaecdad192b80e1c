import { ConnectError } from '../runner/connect-error.ts';
import type { HostKeyPolicy } from '../runner/identity/host-key.ts';
import { unreadableLines } from '../runner/identity/known-hosts.ts';
import { type PrivateKey, readPrivateKey } from '../runner/keys/keys.ts';
import { BadValue } from './bad-value.ts';
import { oneOf } from './settings.ts';

/** Reads `key`; null if a password or an ssh-agent, named by its socket, stands in for it. */
export function parseKey(
  text: string,
  passphrase: string,
  password: string,
  agent: string,
): PrivateKey | null {
  const takes = 'a private key, from its BEGIN line to its END line';
  if (text === '') {
    if (password !== '' || agent !== '') return null;
    throw new BadValue(
      'there is nothing to log in with',
      takes,
      'Set key from a secret, and check that this workflow may read that secret. Or use a password, or an ssh-agent (SSH_AUTH_SOCK).',
    );
  }
  try {
    return readPrivateKey(text, passphrase || null);
  } catch (error) {
    if (!(error instanceof ConnectError)) throw error;
    throw new BadValue(error.message.replace(/\.$/, ''), takes, error.remedy);
  }
}

/** Checks that there is a key for `passphrase` to unlock; whether it does shows when `key` is read. */
export function checkPassphrase(text: string, key: string): void {
  if (text !== '' && key === '') {
    throw new BadValue(
      'there is no `key` to unlock',
      'the passphrase of `key`',
      'Set `key`, or leave this out.',
    );
  }
}

/** Reads `known-hosts`; null if nothing was given. */
export function parseKnownHosts(text: string): string | null {
  const unreadable = unreadableLines(text);
  if (unreadable.length > 0) {
    throw new BadValue(
      `line ${unreadable.join(', ')} cannot be read`,
      'lines as in ~/.ssh/known_hosts or from ssh-keyscan: host, key type, key',
    );
  }
  return text || null;
}

/** Decides how the host has to prove itself. What is given twice, or given and switched off, is no decision. */
export function parseHostKeyCheck(
  check: string,
  knownHosts: string,
  fingerprints: string,
): HostKeyPolicy['kind'] {
  const mode = oneOf(check, ['strict', 'off']);
  const pinned = knownHosts !== '' || fingerprints !== '';
  if (mode === 'off') {
    if (!pinned) return 'off';
    throw new BadValue(
      'a host key is pinned, but nothing would check it',
      '`off` only without known-hosts and fingerprint',
      'Leave `host-key-check` out.',
    );
  }
  if (knownHosts !== '' && fingerprints !== '') {
    throw new BadValue(
      'both `known-hosts` and `fingerprint` are set',
      'one of the two with `strict`',
      'Leave one out.',
    );
  }
  if (knownHosts !== '') return 'known-hosts';
  return fingerprints === '' ? 'none' : 'fingerprints';
}
