import { canonicalHost, isReadableField, knownHostsName, namesHost } from './host-pattern.ts';
import { type PublicKey, readPublicKey } from './public-key.ts';

/** What a known_hosts text says of one host. */
export interface Pins {
  /** Keys that the host may have. */
  keys: PublicKey[];
  /** Keys that it must not have any more. */
  revoked: PublicKey[];
  /** Whether a certificate authority is named for it. */
  authority: boolean;
}

export type Verdict =
  | { kind: 'match' }
  /** Other keys are pinned for the host. */
  | { kind: 'changed'; expected: PublicKey[] }
  | { kind: 'unknown' }
  | { kind: 'revoked' }
  /** Only `@cert-authority` lines name the host, and the host's plain key proves nothing of them. */
  | { kind: 'authority-only' };

interface Line {
  marker: 'cert-authority' | 'revoked' | null;
  hosts: string;
  key: PublicKey;
}

/** Judges the key that a host presented as OpenSSH's client does. */
export function checkKnownHosts(text: string, host: string, port: number, presented: Buffer): Verdict {
  const pins = pinsFor(text, host, port);
  const same = (key: PublicKey): boolean => key.blob.equals(presented);
  if (pins.revoked.some(same)) return { kind: 'revoked' };
  if (pins.keys.some(same)) return { kind: 'match' };
  if (pins.keys.length > 0) return { kind: 'changed', expected: pins.keys };
  return pins.authority ? { kind: 'authority-only' } : { kind: 'unknown' };
}

/** The keys that are pinned for a host: those of `[host]:port`, or if there are none, those of the bare name. */
export function pinsFor(text: string, host: string, port: number): Pins {
  const lines = parse(text);
  const name = canonicalHost(host);
  const own = collect(lines, knownHostsName(name, port));
  if (port === 22 || own.keys.length > 0) return own;
  const bare = collect(lines, name);
  return {
    keys: bare.keys,
    revoked: [...own.revoked, ...bare.revoked],
    authority: own.authority || bare.authority,
  };
}

/** Numbers of the lines, from 1, that are neither blank, nor a comment, nor an entry. */
export function unreadableLines(text: string): number[] {
  return text
    .split('\n')
    .flatMap((line, index) => (isBlank(line) || parseLine(line) !== null ? [] : [index + 1]));
}

function collect(lines: Line[], name: string): Pins {
  const named = lines.filter((line) => namesHost(line.hosts, name));
  const keysOf = (marker: Line['marker']): PublicKey[] =>
    named.filter((line) => line.marker === marker).map((line) => line.key);
  return {
    keys: keysOf(null),
    revoked: keysOf('revoked'),
    authority: named.some((line) => line.marker === 'cert-authority'),
  };
}

function parse(text: string): Line[] {
  return text.split('\n').flatMap((line) => {
    const parsed = isBlank(line) ? null : parseLine(line);
    return parsed === null ? [] : [parsed];
  });
}

function isBlank(line: string): boolean {
  return /^[ \t]*(#|\r?$)/.test(line);
}

/** Fields are parted by blanks and tabs. A marker ends with a blank; a tab does where the line has no blank. */
function parseLine(line: string): Line | null {
  const fields = /^[ \t]*(?:@([^ \t@]+)([ \t])[ \t]*)?([^ \t@][^ \t]*)[ \t]+([^ \t]+)[ \t]+([^ \t]+)/.exec(
    line,
  );
  const [, marker = null, after, hosts, type, base64] = fields ?? [];
  if (hosts === undefined || type === undefined || base64 === undefined) return null;
  if (marker !== null && marker !== 'cert-authority' && marker !== 'revoked') return null;
  if (after === '\t' && line.trimStart().includes(' ')) return null;
  if (!isReadableField(hosts)) return null;
  const key = readPublicKey(type, base64.replace(/[\r\v\f]/g, ''));
  return key === null ? null : { marker, hosts, key };
}
