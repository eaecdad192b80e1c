import { createPrivateKey } from 'node:crypto';
import ssh2, { type ParsedKey } from 'ssh2';
import { ConnectError } from './connect-error.ts';
import { fingerprint } from './host-key.ts';

/** A private key that can sign, and what may be said of it. */
export interface PrivateKey {
  parsed: ParsedKey;
  type: string;
  /** `SHA256:…` of its public half. */
  fingerprint: string;
  /** The line that lets it in, for authorized_keys. */
  publicLine: string;
}

/**
 * Reads a private key as people paste it into a secret: with CRLF, indented, quoted, in base64, or with its line ends
 * written as `\n` or made into spaces.
 * Throws a `ConnectError` of kind `key` or `passphrase` that says what was given instead, and never shows it.
 */
export function readPrivateKey(text: string, passphrase: string | null): PrivateKey {
  const tidy = tidied(text);
  rejectOtherThings(tidy);
  const pem = /-----BEGIN (ENCRYPTED )?PRIVATE KEY-----/.test(tidy) ? fromPkcs8(tidy, passphrase) : tidy;
  const parsed = parse(pem, passphrase);
  const blob = parsed.getPublicSSH();
  return {
    parsed,
    type: parsed.type,
    fingerprint: fingerprint(blob),
    publicLine: `${parsed.type} ${blob.toString('base64')}`,
  };
}

function parse(pem: string, passphrase: string | null): ParsedKey {
  const result = ssh2.utils.parseKey(pem, passphrase ?? undefined);
  const parsed = Array.isArray(result) ? result[0] : result;
  if (parsed instanceof Error || parsed === undefined) throw unreadable(parsed?.message ?? '', passphrase);
  if (!parsed.isPrivateKey()) throw notAPrivateKey('a public key');
  return parsed;
}

/** ssh2's own words tell apart what its errors do not. */
function unreadable(reason: string, passphrase: string | null): ConnectError {
  if (/no passphrase given/i.test(reason)) {
    return new ConnectError(
      'passphrase',
      'The key is encrypted, and passphrase is not set.',
      'Set passphrase to what unlocks the key.',
    );
  }
  const wrong = /bad passphrase|integrity check failed|unable to authenticate data|bad decrypt/i.test(reason);
  if (wrong && passphrase !== null) {
    return new ConnectError(
      'passphrase',
      'The passphrase does not unlock the key.',
      'Set passphrase to what unlocks this key.',
    );
  }
  if (/malformed|integrity/i.test(reason)) {
    return new ConnectError(
      'key',
      'The key is damaged: it has the frame of a private key, but what is between is not one.',
      'Copy the whole file again, from its BEGIN line to its END line.',
    );
  }
  return notAPrivateKey('something that is in no known format');
}

function tidied(text: string): string {
  let tidy = text.replace(/^\uFEFF/, '').trim();
  const quoted = /^(["'])([\s\S]*)\1$/.exec(tidy);
  if (quoted?.[2] !== undefined) tidy = quoted[2].trim();
  if (/^[A-Za-z0-9+/\s]+=*$/.test(tidy)) {
    const decoded = Buffer.from(tidy, 'base64').toString('utf8');
    if (/-----BEGIN |^PuTTY-User-Key/.test(decoded)) tidy = decoded.trim();
  }
  if (!/[\r\n]/.test(tidy)) tidy = tidy.replaceAll('\\r', '').replaceAll('\\n', '\n');
  const lines = tidy.split(/\r\n|\n|\r/).map((line) => line.trim());
  return lines.length === 1 ? brokenIntoLines(tidy) : `${lines.join('\n')}\n`;
}

/** Puts the line ends back that a shell or a form made into spaces. */
function brokenIntoLines(line: string): string {
  const frame = /^(-----BEGIN [A-Z0-9 ]+-----)([A-Za-z0-9+/=\s]+)(-----END [A-Z0-9 ]+-----)$/.exec(line);
  if (frame === null) return line;
  const [, begin, body, end] = frame;
  const base64 = (body ?? '').replace(/\s/g, '').replace(/.{1,70}/g, '$&\n');
  return `${begin}\n${base64}${end}\n`;
}

function rejectOtherThings(text: string): void {
  if (text.trim() === '') {
    throw new ConnectError(
      'key',
      'The key is empty.',
      'Check that the secret exists under that name, and that this workflow may read it.',
    );
  }
  if (/^\*+$/.test(text)) throw notAPrivateKey('only asterisks, which is how a log shows a secret');
  if (/^(ssh-|ecdsa-|sk-)\S+ AAAA|BEGIN (SSH2 |RSA )?PUBLIC KEY/.test(text))
    throw notAPrivateKey('a public key');
  const putty = /^PuTTY-User-Key-File-(\d)/.exec(text);
  if (putty !== null && putty[1] !== '2') {
    throw new ConnectError(
      'key',
      'The key is a PuTTY file (.ppk).',
      'Convert it: puttygen key.ppk -O private-openssh -o key; then use what is in the new file.',
    );
  }
  if (/^(~|\.{0,2}\/|[A-Za-z]:\\)\S*$/.test(text) && text.length < 300) {
    throw notAPrivateKey('a path to a file on another machine');
  }
  const begins = /-----BEGIN [A-Z0-9 ]+-----/.test(text);
  const ends = /-----END [A-Z0-9 ]+-----/.test(text);
  if (begins !== ends) {
    throw new ConnectError(
      'key',
      `The key was cut off: its ${begins ? 'END' : 'BEGIN'} line is missing.`,
      'Copy the whole file again, from its BEGIN line to its END line.',
    );
  }
}

function fromPkcs8(pem: string, passphrase: string | null): string {
  const encrypted = pem.includes('BEGIN ENCRYPTED');
  if (encrypted && passphrase === null) throw unreadable('no passphrase given', passphrase);
  let key: ReturnType<typeof createPrivateKey>;
  try {
    key = createPrivateKey({ key: pem, ...(passphrase === null ? {} : { passphrase }) });
  } catch {
    throw unreadable(encrypted ? 'bad decrypt' : 'malformed', passphrase);
  }
  if (key.asymmetricKeyType === 'rsa') return key.export({ type: 'pkcs1', format: 'pem' }).toString();
  if (key.asymmetricKeyType === 'ec') return key.export({ type: 'sec1', format: 'pem' }).toString();
  throw new ConnectError(
    'key',
    `The key is an ${key.asymmetricKeyType} key in PKCS#8, which cannot be used as it is.`,
    'Make one in the usual format: ssh-keygen -t ed25519 -f key; then add key.pub to authorized_keys on the host.',
  );
}

function notAPrivateKey(what: string): ConnectError {
  return new ConnectError(
    'key',
    `The key is not a private key, but ${what}.`,
    "Set key to the content of the private key's file, such as that of ~/.ssh/id_ed25519, from its BEGIN line to its END line.",
  );
}
