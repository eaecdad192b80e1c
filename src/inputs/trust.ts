import { ConnectError } from '../runner/connect-error.ts';
import type { HostKeyPolicy } from '../runner/host-key.ts';
import { type PrivateKey, readPrivateKey } from '../runner/keys.ts';
import { unreadableLines } from '../runner/known-hosts.ts';
import { BadValue } from './bad-value.ts';
import { splitList } from './list.ts';
import { oneOf } from './settings.ts';

const ENTRY = /^(?:([^=\s]+)=)?(SHA256:[A-Za-z0-9+/]{43})=?$/;
const MD5 = /^(?:MD5:)?(?:[0-9a-f]{2}:){15}[0-9a-f]{2}$/i;

/** Reads `key`; null where a password or an ssh-agent, named by its socket, stands in for it. */
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
      'Give a key from a secret, and check that this workflow may read that secret; or a password, or an ssh-agent (SSH_AUTH_SOCK).',
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
      'there is no `key` that it could unlock',
      'what unlocks `key`',
      'Give `key`, or leave this out.',
    );
  }
}

/** Reads `known-hosts`; null where nothing was given. */
export function parseKnownHosts(text: string): string | null {
  const unreadable = unreadableLines(text);
  if (unreadable.length > 0) {
    throw new BadValue(
      `line ${unreadable.join(', ')} of it cannot be read`,
      'lines as ssh-keyscan prints them and ~/.ssh/known_hosts has them: host, key type, key',
    );
  }
  return text || null;
}

/** Reads `fingerprint`: those of this host, each as `SHA256:…`. An entry may be bound to a host by its label or address. */
export function parseFingerprints(
  text: string,
  host: { label: string | null; address: string } | null,
): string[] {
  const takes = "SHA-256 fingerprints of the server's host keys, each as SHA256:… or host=SHA256:…";
  const entries = splitList(text).map((entry) => {
    const [, name = null, print] = ENTRY.exec(entry) ?? [];
    if (print === undefined) {
      throw new BadValue(
        MD5.test(entry) ? 'it is an MD5 fingerprint' : 'it is no fingerprint',
        takes,
        'On the server, `ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub` prints it.',
      );
    }
    return { name, print };
  });
  const ours = entries.filter(({ name }) => name === null || name === host?.label || name === host?.address);
  if (entries.length > 0 && ours.length === 0 && host !== null) {
    throw new BadValue(
      'every entry is bound to another host',
      takes,
      "Bind it to this host's label or address.",
    );
  }
  return ours.map(({ print }) => print);
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
      'a key is pinned, and would not be looked at',
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
