import { createHmac } from 'node:crypto';

/** A public key as a known_hosts line has it. */
export interface PinnedKey {
  type: string;
  /** The key in SSH's wire format. */
  blob: Buffer;
}

/** What a known_hosts text says of one host. */
export interface Pins {
  /** Keys that the host may have. */
  keys: PinnedKey[];
  /** Keys that it must not have any more. */
  revoked: PinnedKey[];
  /** Whether a certificate authority is named for it. */
  authority: boolean;
}

export type Verdict =
  | { kind: 'match' }
  /** Other keys are pinned for the host. */
  | { kind: 'changed'; expected: PinnedKey[] }
  | { kind: 'unknown' }
  | { kind: 'revoked' }
  /** Only `@cert-authority` lines name the host, and the host's plain key proves nothing of them. */
  | { kind: 'authority-only' };

interface Line {
  marker: 'cert-authority' | 'revoked' | null;
  hosts: string;
  key: PinnedKey;
}

/** Judges the key that a host presented as OpenSSH's client does. */
export function checkKnownHosts(text: string, host: string, port: number, presented: Buffer): Verdict {
  const pins = pinsFor(text, host, port);
  const same = (key: PinnedKey): boolean => key.blob.equals(presented);
  if (pins.revoked.some(same)) return { kind: 'revoked' };
  if (pins.keys.some(same)) return { kind: 'match' };
  if (pins.keys.length > 0) return { kind: 'changed', expected: pins.keys };
  return pins.authority ? { kind: 'authority-only' } : { kind: 'unknown' };
}

/** The keys that are pinned for a host: those of `[host]:port`, or where there are none, those of the bare name. */
export function pinsFor(text: string, host: string, port: number): Pins {
  const name = host.toLowerCase();
  const lines = parse(text);
  if (port === 22) return collect(lines, name);
  const withPort = collect(lines, `[${name}]:${port}`);
  if (withPort.keys.length > 0) return withPort;
  const bare = collect(lines, name);
  return {
    keys: bare.keys,
    revoked: [...withPort.revoked, ...bare.revoked],
    authority: withPort.authority || bare.authority,
  };
}

/** Numbers of the lines, from 1, that are neither blank, nor a comment, nor an entry. */
export function unreadableLines(text: string): number[] {
  return text
    .split(/\r\n|\n|\r/)
    .flatMap((line, index) => (isBlank(line) || parseLine(line) !== null ? [] : [index + 1]));
}

/** The name that a known_hosts line gives to an endpoint. */
export function knownHostsName(host: string, port: number): string {
  return port === 22 ? host : `[${host}]:${port}`;
}

function collect(lines: Line[], name: string): Pins {
  const named = lines.filter((line) => matches(line.hosts, name));
  const keysOf = (marker: Line['marker']): PinnedKey[] =>
    named.filter((line) => line.marker === marker).map((line) => line.key);
  return {
    keys: keysOf(null),
    revoked: keysOf('revoked'),
    authority: named.some((line) => line.marker === 'cert-authority'),
  };
}

function parse(text: string): Line[] {
  return text.split(/\r\n|\n|\r/).flatMap((line) => {
    const parsed = isBlank(line) ? null : parseLine(line);
    return parsed === null ? [] : [parsed];
  });
}

function isBlank(line: string): boolean {
  return /^[ \t]*(#|$)/.test(line);
}

function parseLine(line: string): Line | null {
  const fields = /^[ \t]*(?:@(\S+)[ \t]+)?([^@\s]\S*)[ \t]+(\S+)[ \t]+(\S+)/.exec(line);
  const [, marker, hosts, type, base64] = fields ?? [];
  if (hosts === undefined || type === undefined || base64 === undefined) return null;
  if (marker !== undefined && marker !== 'cert-authority' && marker !== 'revoked') return null;
  if (!/^[A-Za-z0-9+/]+=*$/.test(base64)) return null;
  const blob = Buffer.from(base64, 'base64');
  if (keyType(blob) !== type || !isWhole(blob)) return null;
  return { marker: marker ?? null, hosts, key: { type, blob } };
}

/** The key type that a key in SSH's wire format begins with, or null where it is not one. */
export function keyType(blob: Buffer): string | null {
  if (blob.length < 4) return null;
  const length = blob.readUInt32BE(0);
  if (length === 0 || blob.length < 4 + length) return null;
  return blob.toString('latin1', 4, 4 + length);
}

/** Whether a key has all the fields that it says it has. */
function isWhole(blob: Buffer): boolean {
  let at = 0;
  while (at + 4 <= blob.length) at += 4 + blob.readUInt32BE(at);
  return at === blob.length;
}

function matches(hosts: string, name: string): boolean {
  if (hosts.startsWith('|')) return matchesHash(hosts, name);
  let matched = false;
  for (const pattern of hosts.toLowerCase().split(',')) {
    const negated = pattern.startsWith('!');
    if (!wildcard(negated ? pattern.slice(1) : pattern).test(name)) continue;
    if (negated) return false;
    matched = true;
  }
  return matched;
}

function matchesHash(hosts: string, name: string): boolean {
  const [, version, salt, hash] = hosts.split('|');
  if (version !== '1' || salt === undefined || hash === undefined) return false;
  const digest = createHmac('sha1', Buffer.from(salt, 'base64')).update(name).digest();
  return digest.equals(Buffer.from(hash, 'base64'));
}

/** `*` and `?` alone are special; a bracket in `[host]:port` is not. */
function wildcard(pattern: string): RegExp {
  const source = pattern
    .replace(/[.+^${}()|[\]\\]/g, '\\$&')
    .replace(/\*+/g, '.*')
    .replace(/\?/g, '.');
  return new RegExp(`^${source}$`);
}
