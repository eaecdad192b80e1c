import { isIPv6 } from 'node:net';
import { BadValue } from './bad-value.ts';
import { splitList } from './split-list.ts';

/** One host as the `host` input names it; null is what the entry leaves open. */
export interface HostAddress {
  label: string | null;
  username: string | null;
  /** A name or an address, without brackets. */
  address: string;
  port: number | null;
}

/** A host of the `host` input, with its own label or `host-1` by its place. */
export type LabelledHost = HostAddress & { label: string };

const TAKES =
  'one or more hosts, separated by commas or line ends, each as [label=][user@]host[:port], with an IPv6 address in brackets';
const LABEL = /^[A-Za-z0-9][A-Za-z0-9._-]{0,62}$/;
const HOST_NAME = /^[A-Za-z0-9_](?:[A-Za-z0-9_.-]{0,251}[A-Za-z0-9_])?\.?$/;
const ENTRY =
  /^(?:(?<label>[^=@]*)=)?(?:(?<username>.*)@)?(?:\[(?<bracketed>[^\]]*)\]|(?<plain>[^:]*))(?::(?<port>[^:]*))?$/s;

/** Reads `host`; `username` and `port` are what stands for an entry's own. There is at least one. */
export function parseHosts(
  text: string,
  { username, port }: { username: string; port: string },
): [LabelledHost, ...LabelledHost[]] {
  const [first, ...others] = splitList(text).map((entry, index) => {
    const host = parseEntry(entry, TAKES);
    return { ...host, label: host.label ?? `host-${index + 1}` };
  });
  if (first === undefined) {
    throw new BadValue(
      'a host is needed',
      TAKES,
      "Set the server's name or address, such as app.example.com.",
    );
  }
  const hosts: [LabelledHost, ...LabelledHost[]] = [first, ...others];
  const label = twice(hosts.map((host) => host.label));
  if (label !== null) {
    throw new BadValue(
      `${JSON.stringify(label)} is the label of two hosts`,
      TAKES,
      'Give each host a label of its own.',
    );
  }
  const login = (host: LabelledHost): string =>
    `${host.username ?? username}@${host.address.toLowerCase().replace(/\.$/, '')}:${host.port ?? port}`;
  const again = hosts.find((host, at) => hosts.slice(0, at).some((other) => login(other) === login(host)));
  if (again !== undefined) {
    const same = hosts.find((host) => login(host) === login(again));
    throw new BadValue(
      `${same?.label} and ${again.label} are the same user at the same host and port`,
      TAKES,
      'Name each host once.',
    );
  }
  return hosts;
}

function twice(names: readonly string[]): string | null {
  return names.find((name, at) => names.indexOf(name) !== at) ?? null;
}

/** Reads one entry; `takes` is what the input takes that it stands in. */
export function parseEntry(entry: string, takes: string): HostAddress {
  if (/^[a-z][a-z0-9+.-]*:\/\//i.test(entry)) {
    throw new BadValue('it is a URL', takes, 'Leave out everything up to "://".');
  }
  const found = ENTRY.exec(entry)?.groups;
  if (!found) {
    const manyColons = (entry.match(/:/g) ?? []).length > 1;
    throw new BadValue(
      manyColons ? 'it has several colons' : 'it cannot be read',
      takes,
      manyColons ? 'Write an IPv6 address in brackets, such as [2001:db8::1]:22.' : null,
    );
  }
  const { label, username, bracketed, plain, port } = found;
  if (label !== undefined && !LABEL.test(label)) {
    throw new BadValue(
      'its label cannot be used',
      `${takes}; a label is letters, digits, ".", "_" and "-", at most 63`,
    );
  }
  return {
    label: label ?? null,
    username: username === undefined ? null : parseUsername(username),
    address: bracketed === undefined ? hostName(plain ?? '', takes) : ipv6(bracketed, takes),
    port: port === undefined ? null : parsePort(port),
  };
}

function hostName(text: string, takes: string): string {
  if (!HOST_NAME.test(text)) {
    throw new BadValue(
      text === '' ? 'it has no host' : 'its host is neither a name nor an address',
      takes,
      /[^\0-\x7f]/.test(text) ? 'Write a name with letters other than ASCII in its xn-- form.' : null,
    );
  }
  return text;
}

function ipv6(text: string, takes: string): string {
  if (!isIPv6(text)) throw new BadValue('the text in brackets is not an IPv6 address', takes);
  return text;
}

/** Reads a login name. */
export function parseUsername(text: string): string {
  const takes =
    'the name to log in with: printable characters without blanks, quotes, brackets and any of : @ ; & | < >, not beginning with a dash';
  if (text === '')
    throw new BadValue('a user is needed', takes, 'Name the user that PM2 runs as on the server.');
  if (text.includes(':')) {
    throw new BadValue(
      'it holds a colon',
      takes,
      'A password has an input of its own, `password`; a key is better.',
    );
  }
  // OpenSSH's client takes none of these either.
  if (text.startsWith('-') || /[\s@\p{C}'"`;&|<>(){}]|\\$/u.test(text) || text.length > 256) {
    throw new BadValue('it cannot be a login name', takes);
  }
  return text;
}

/** Reads a TCP port. */
export function parsePort(text: string): number {
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port < 1 || port > 65_535) throw new BadValue('it is not a port', 'a port number from 1 to 65535');
  return port;
}
