import type { Destination } from '../runner/connection/connect.ts';
import type { HostKeyPolicy } from '../runner/identity/host-key.ts';
import type { PrivateKey } from '../runner/keys/keys.ts';
import { type Fingerprint, fingerprintsOf, type Named } from './fingerprint.ts';
import { type HostAddress, parseHost } from './host-address.ts';
import { type HopAddress, parseProxyJump } from './proxy-jump.ts';

/** The inputs that say where to connect to, and how, by name and checked. */
export interface ConnectionInputs {
  host: HostAddress;
  username: string;
  port: number;
  key: PrivateKey | null;
  password: string | null;
  knownHosts: string | null;
  fingerprints: readonly Fingerprint[];
  hostKeyCheck: HostKeyPolicy['kind'];
  proxyJump: readonly HopAddress[];
  proxyKey: PrivateKey | null;
  /** Milliseconds. */
  timeout: number;
  retries: number;
}

/** OpenSSH's `-p` is for the last host alone, and so is `port`. */
const HOP_PORT = 22;

/** The texts that name the hosts, and the socket of the ssh-agent, empty if there is none. */
export interface Given {
  host: string;
  proxyJump: string;
  agent: string;
}

/** Puts together where to connect to. */
export function makeDestination(read: ConnectionInputs, given: Given): Destination {
  const hopKey = read.proxyKey ?? read.key;
  const username = read.host.username ?? read.username;
  const destination = { label: labelOf(read.host), address: read.host.address };
  return {
    label: destination.label,
    host: destination.address,
    port: read.host.port ?? read.port,
    shownHost: shown(given.host, destination),
    username,
    key: read.key,
    password: read.password,
    agent: read.key === null && read.password === null ? given.agent : null,
    hostKey: policyFor(destination, read),
    hops: read.proxyJump.map((hop) => ({
      label: hop.label,
      host: hop.address,
      port: hop.port ?? HOP_PORT,
      shownHost: shown(given.proxyJump, hop),
      setBy: 'proxy-jump',
      username: hop.username ?? username,
      key: hopKey,
      agent: hopKey === null ? given.agent : null,
      hostKey: policyFor(hop, read),
    })),
    timeout: read.timeout,
    retries: read.retries,
  };
}

/** The label of the one host, also while `host` cannot be read. */
export function labelOf(host: HostAddress | null): string {
  return host?.label ?? 'host-1';
}

/** For those who need the host beside their own input; `host` itself reports what is wrong with it. */
export function hostOrNull(text: string): HostAddress | null {
  try {
    return parseHost(text);
  } catch {
    return null;
  }
}

/** Every host that has to prove its identity, or null if one cannot be read; its own input reports what is wrong. */
export function allHosts(host: string, proxyJump: string): Named[] | null {
  const destination = hostOrNull(host);
  if (destination === null) return null;
  const label = labelOf(destination);
  try {
    return [{ label, address: destination.address }, ...parseProxyJump(proxyJump, label)];
  } catch {
    return null;
  }
}

function policyFor(host: Named, read: ConnectionInputs): HostKeyPolicy {
  const kind = read.hostKeyCheck;
  switch (kind) {
    case 'known-hosts':
      return { kind, text: read.knownHosts ?? '' };
    case 'fingerprints':
      return { kind, list: fingerprintsOf(read.fingerprints, host) };
    default:
      return { kind };
  }
}

/** GitHub masks a secret as a whole: a part of one, such as the address in user@address, it would let through. */
function shown(given: string, { address }: Named): string | null {
  return given === address ? address : null;
}
