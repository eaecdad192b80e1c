import { createHash } from 'node:crypto';
import { canonicalHost, knownHostsName } from './host-pattern.ts';
import { checkKnownHosts, pinsFor, unreadableLines } from './known-hosts.ts';
import { keyType } from './public-key.ts';

/** How a host proves that it is the right one. `none` says that the user pinned nothing; `off`, that any key will do. */
export type HostKeyPolicy =
  | { kind: 'known-hosts'; text: string }
  /** Each `SHA256:…`; any of them will do. Empty where the fingerprints that are set are all of other hosts. */
  | { kind: 'fingerprints'; list: readonly string[] }
  | { kind: 'none' }
  | { kind: 'off' };

export interface HostKey {
  type: string;
  /** `SHA256:…`, as `ssh-keygen -l` prints it. */
  fingerprint: string;
  /** The key in SSH's wire format. */
  blob: Buffer;
}

/** A host as its key is looked up, and as messages call it. */
export interface Endpoint {
  label: string;
  host: string;
  port: number;
  /** The address as messages may show it, or null if it is nobody's business. */
  shownHost: string | null;
  /** The input that names it, for messages; default `host and port`. */
  setBy?: string;
}

export interface Refusal {
  message: string;
  remedy: string;
}

/** In the order in which they are asked for where nothing else decides. */
const ALGORITHMS: ReadonlyArray<readonly [type: string, names: readonly string[]]> = [
  ['ssh-ed25519', ['ssh-ed25519']],
  ['ecdsa-sha2-nistp256', ['ecdsa-sha2-nistp256']],
  ['ecdsa-sha2-nistp384', ['ecdsa-sha2-nistp384']],
  ['ecdsa-sha2-nistp521', ['ecdsa-sha2-nistp521']],
  // Without `ssh-rsa` itself: it signs with SHA-1.
  ['ssh-rsa', ['rsa-sha2-512', 'rsa-sha2-256']],
];

/** `SHA256:…` of a public key in SSH's wire format. */
export function fingerprint(blob: Buffer): string {
  return `SHA256:${createHash('sha256').update(blob).digest('base64').replace(/=+$/, '')}`;
}

export function readHostKey(blob: Buffer): HostKey {
  return { type: keyType(blob) ?? 'unknown', fingerprint: fingerprint(blob), blob };
}

/**
 * The host key algorithms to ask for, best first. Pinned types come first, so that the host shows the key that was
 * pinned; the others follow, so that there is something to show where it has none of that type.
 */
export function hostKeyAlgorithms(
  policy: HostKeyPolicy,
  endpoint: Endpoint,
  without: readonly HostKey[],
): string[] {
  const pinned =
    policy.kind === 'known-hosts'
      ? pinsFor(policy.text, endpoint.host, endpoint.port).keys.map((key) => key.type)
      : [];
  const wanted = ALGORITHMS.filter(([type]) => !without.some((key) => key.type === type));
  const first = wanted.filter(([type]) => pinned.includes(type));
  const rest = wanted.filter(([type]) => !pinned.includes(type));
  return [...first, ...rest].flatMap(([, names]) => names);
}

/** Null if the key is the host's; otherwise why it is refused. `presented` holds every key that it has shown, the latest last. */
export function refusal(
  policy: HostKeyPolicy,
  endpoint: Endpoint,
  presented: readonly HostKey[],
): Refusal | null {
  const key = presented.at(-1);
  if (key === undefined) throw new Error('no host key was presented');
  switch (policy.kind) {
    case 'off':
      return null;
    case 'none':
      return unpinned(
        endpoint,
        key,
        'neither known-hosts nor fingerprint is set, so nothing says which key is right',
      );
    case 'fingerprints': {
      const pinned = policy.list.map((entry) => entry.replace(/=+$/, ''));
      if (pinned.length === 0) return unbound(endpoint, key);
      if (pinned.includes(key.fingerprint)) return null;
      return {
        message: `${endpoint.label} is not the host that fingerprint pins. It presented ${list(presented.map(named))}. Expected was ${list(pinned)}. Nothing was sent to it.`,
        remedy: `${compare(endpoint, key)} If the host's key was changed on purpose, set fingerprint to the new one. If not, someone may be intercepting the connection.`,
      };
    }
    case 'known-hosts':
      return againstKnownHosts(policy.text, endpoint, key);
  }
}

function againstKnownHosts(text: string, endpoint: Endpoint, key: HostKey): Refusal | null {
  const verdict = checkKnownHosts(text, endpoint.host, endpoint.port, key.blob);
  switch (verdict.kind) {
    case 'match':
      return null;
    case 'changed':
      return {
        message: `${endpoint.label} is not the host that known-hosts pins. It presented ${named(key)}. Expected was ${list(verdict.expected.map(({ blob }) => named(readHostKey(blob))))}. Nothing was sent to it.`,
        remedy: `${compare(endpoint, key)} If the host's key was changed on purpose, replace its line in known-hosts by: ${pinLine(endpoint, key)} If not, someone may be intercepting the connection.`,
      };
    case 'revoked':
      return {
        message: `${endpoint.label} presented ${named(key)}, which known-hosts marks as @revoked. Nothing was sent to it.`,
        remedy: 'Give the host a new key, or remove the @revoked line from known-hosts.',
      };
    case 'authority-only':
      return {
        message: `known-hosts names only a @cert-authority for ${endpoint.label}, and host certificates are not supported. It presented ${named(key)}. Nothing was sent to it.`,
        remedy: `${compare(endpoint, key)} If it is the same, add this line to known-hosts: ${pinLine(endpoint, key)}`,
      };
    case 'unknown': {
      const unreadable = unreadableLines(text);
      const hint = unreadable.length === 0 ? '' : ` (unreadable: line ${unreadable.join(', ')})`;
      return unpinned(endpoint, key, `known-hosts has no key for it${hint}`);
    }
  }
}

function unpinned(endpoint: Endpoint, key: HostKey, why: string): Refusal {
  return {
    message: `${endpoint.label} cannot be trusted: ${why}. It presented ${named(key)}. Nothing was sent to it.`,
    remedy: `${compare(endpoint, key)} If it is the same, put this line into known-hosts${endpoint.shownHost === null ? ', with its address in place of ADDRESS' : ''}:\n${pinLine(endpoint, key)}`,
  };
}

function unbound(endpoint: Endpoint, key: HostKey): Refusal {
  return {
    message: `${endpoint.label} cannot be trusted: fingerprint has no entry for it. It presented ${named(key)}. Nothing was sent to it.`,
    remedy: `${compare(endpoint, key)} If it is the same, add this entry to fingerprint: ${endpoint.label}=${key.fingerprint}`,
  };
}

function compare(endpoint: Endpoint, key: HostKey): string {
  const name = key.type.startsWith('ecdsa') ? 'ecdsa' : key.type.replace('ssh-', '');
  return `On ${endpoint.label} itself, run this and compare the fingerprint:\nssh-keygen -lf /etc/ssh/ssh_host_${name}_key.pub\n`;
}

function pinLine(endpoint: Endpoint, key: HostKey): string {
  const name = endpoint.shownHost === null ? 'ADDRESS' : canonicalHost(endpoint.shownHost);
  return `${knownHostsName(name, endpoint.port)} ${key.type} ${key.blob.toString('base64')}`;
}

function named(key: HostKey): string {
  return `the ${key.type} key ${key.fingerprint}`;
}

function list(items: readonly string[]): string {
  return items.length === 0 ? 'none' : items.join(' or ');
}
