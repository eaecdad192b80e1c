import { createHmac } from 'node:crypto';
import { isIPv6, SocketAddress } from 'node:net';

/** OpenSSH gives up on a list with a longer one. */
const LONGEST_PATTERN = 1_022;

/** The name that known_hosts has for an endpoint, such as `example.com` or `[2001:db8::1]:2222`; the host is a canonical one. */
export function knownHostsName(host: string, port: number): string {
  return port === 22 ? host : `[${host}]:${port}`;
}

/** A host as OpenSSH's client looks it up: in lower case, an address in its shortest form. */
export function canonicalHost(host: string): string {
  if (isIPv6(host)) {
    const zone = /%.*$/.exec(host)?.[0] ?? '';
    return `${new SocketAddress({ address: host, family: 'ipv6' }).address}${zone}`;
  }
  return shortIpv4(host) ?? lowerCase(host);
}

/** `127.1` and the like are addresses too: this is what they are short for. */
function shortIpv4(host: string): string | null {
  if (!/^(0x[0-9a-f]*|\d+)(\.(0x[0-9a-f]*|\d+)){0,3}$/i.test(host)) return null;
  return URL.canParse(`http://${host}`) ? new URL(`http://${host}`).hostname : null;
}

/** Whether the host field of a known_hosts line, hashed or a list of patterns, names a host; `name` is as `knownHostsName` gives it. */
export function namesHost(field: string, name: string): boolean {
  return field.startsWith('|') ? hashOf(name, field) === field : isInList(field, name);
}

/** Whether a host field can be read. A list of patterns always can. */
export function isReadableField(field: string): boolean {
  return !field.startsWith('|') || hashOf('', field) !== null;
}

/** The hashed form of a name, with the salt of another; null if that is not a hash. */
function hashOf(name: string, hashed: string): string | null {
  const base64 = /^\|1\|([^|]+)\|/.exec(hashed)?.[1] ?? '';
  const salt = Buffer.from(base64, 'base64');
  if (salt.length !== 20 || salt.toString('base64') !== base64) return null;
  return `|1|${base64}|${createHmac('sha1', salt).update(name).digest('base64')}`;
}

function isInList(list: string, name: string): boolean {
  let found = false;
  for (const entry of lowerCase(list).split(',')) {
    const negated = entry.startsWith('!');
    const pattern = negated ? entry.slice(1) : entry;
    if (Buffer.byteLength(pattern) > LONGEST_PATTERN) return false;
    if (!matches(pattern, name)) continue;
    if (negated) return false;
    found = true;
  }
  return found;
}

/** `*` stands for any characters, `?` for one; nothing else is special. */
function matches(pattern: string, name: string): boolean {
  let [at, star, resume] = [0, -1, 0];
  for (let i = 0; i < name.length; ) {
    if (pattern[at] === '*') {
      star = at;
      resume = i;
      at += 1;
    } else if (pattern[at] === '?' || pattern[at] === name[i]) {
      at += 1;
      i += 1;
    } else if (star >= 0) {
      // The last star takes one character more.
      resume += 1;
      i = resume;
      at = star + 1;
    } else {
      return false;
    }
  }
  return /^\**$/.test(pattern.slice(at));
}

/** Of ASCII letters alone: a letter of another script never becomes one. */
function lowerCase(text: string): string {
  return text.replace(/[A-Z]/g, (letter) => letter.toLowerCase());
}
