import type { Destination } from '../runner/connection/connect.ts';
import type { Container } from '../runner/connection/container.ts';
import type { HostKeyPolicy } from '../runner/identity/host-key.ts';
import type { PrivateKey } from '../runner/keys/keys.ts';
import { type Fingerprint, fingerprintsOf, type Named } from './fingerprint.ts';
import { type LabelledHost, parseHosts } from './host-address.ts';
import { type HopAddress, parseProxyJump } from './proxy-jump.ts';

/** The inputs that say where to connect to, and how, by name and checked. */
export interface ConnectionInputs {
  hosts: readonly [LabelledHost, ...LabelledHost[]];
  username: string;
  port: number;
  key: PrivateKey | null;
  password: string | null;
  knownHosts: string | null;
  fingerprints: readonly Fingerprint[];
  hostKeyCheck: HostKeyPolicy['kind'];
  proxyJump: readonly HopAddress[];
  proxyKey: PrivateKey | null;
  /** Where the deploy runs on each of the hosts; without a name on the host itself. */
  container: Pick<Container, 'engine'> & { name: string | null };
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

/** Puts together where to connect to, in the order in which the hosts were given. */
export function makeDestinations(
  { hosts, ...read }: ConnectionInputs,
  given: Given,
): [Destination, ...Destination[]] {
  const [first, ...others] = hosts;
  return [destinationOf(first, read, given), ...others.map((host) => destinationOf(host, read, given))];
}

function destinationOf(host: LabelledHost, read: Omit<ConnectionInputs, 'hosts'>, given: Given): Destination {
  const hopKey = read.proxyKey ?? read.key;
  const username = host.username ?? read.username;
  const { name, engine } = read.container;
  return {
    label: host.label,
    host: host.address,
    port: host.port ?? read.port,
    shownHost: shown(given.host, host),
    username,
    key: read.key,
    password: read.password,
    agent: read.key === null && read.password === null ? given.agent : null,
    hostKey: policyFor(host, read),
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
    ...(name !== null && { container: { name, engine } }),
  };
}

/** For those who need the labels beside their own input; `host` itself reports what is wrong with it. */
export function labelsOf(host: string): string[] {
  return hostsOrNone(host).map(({ label }) => label);
}

/** Every host that has to prove its identity, or null if one cannot be read; its own input reports what is wrong. */
export function allHosts(host: string, proxyJump: string): Named[] | null {
  const hosts = hostsOrNone(host);
  if (hosts.length === 0) return null;
  try {
    return [
      ...hosts.map(({ label, address }) => ({ label, address })),
      ...parseProxyJump(proxyJump, ...labelsOf(host)),
    ];
  } catch {
    return null;
  }
}

function hostsOrNone(text: string): LabelledHost[] {
  try {
    return parseHosts(text, NO_DEFAULTS);
  } catch {
    return [];
  }
}

const NO_DEFAULTS = { username: '', port: '' };

function policyFor(host: Named, read: Omit<ConnectionInputs, 'hosts'>): HostKeyPolicy {
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
