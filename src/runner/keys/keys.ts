import { createPrivateKey, createPublicKey, type JsonWebKey, type KeyObject } from 'node:crypto';
import ssh2, { type ParsedKey } from 'ssh2';
import { ConnectError } from '../connect-error.ts';
import { fingerprint } from '../identity/host-key.ts';
import { isPublicKey, keyType } from '../identity/public-key.ts';
import {
  damaged,
  lockedOtherwise,
  passphraseMissing,
  passphraseWrong,
  passphraseWrongOrDamaged,
  puttyKey,
  unusable,
} from './key-errors.ts';
import { type KeyText, readKeyText } from './key-text.ts';
import { readOpensshKey, writeEd25519 } from './openssh-key.ts';

/** A private key that can sign, and what may be said of it. */
export interface PrivateKey {
  parsed: ParsedKey;
  type: string;
  /** `SHA256:…` of its public half. */
  fingerprint: string;
  /** The line that lets it in, for authorized_keys. */
  publicLine: string;
}

const TYPES = ['ssh-ed25519', 'ssh-rsa', 'ecdsa-sha2-nistp256', 'ecdsa-sha2-nistp384', 'ecdsa-sha2-nistp521'];
const CIPHERS = /^(none|3des-cbc|aes(128|192|256)-(cbc|ctr)|aes(128|256)-gcm@openssh\.com)$/;
/** About 15 s each thousand. */
const MOST_ROUNDS = 1_000;

/**
 * Reads a private key as people paste it into a secret, in OpenSSH's format, PEM or PKCS#8, or an RSA key of PuTTY's
 * version 2. A passphrase that it does not need does no harm.
 * Throws a `ConnectError` of kind `key` or `passphrase` that says what was given instead, and never shows it.
 */
export function readPrivateKey(text: string, passphrase: string | null): PrivateKey {
  const given = readKeyText(text);
  const parsed = parseAs(given, passphrase);
  const blob = parsed.getPublicSSH();
  if (parsed.type === 'ssh-rsa' && !isPublicKey(blob)) {
    throw unusable(
      'an RSA key of fewer than 1,024 or more than 16,384 bits',
      'which OpenSSH does not accept',
    );
  }
  if (!isPublicKey(blob) || !canSign(parsed)) throw damaged();
  return {
    parsed,
    type: parsed.type,
    fingerprint: fingerprint(blob),
    publicLine: `${parsed.type} ${blob.toString('base64')}`,
  };
}

function parseAs(given: KeyText, passphrase: string | null): ParsedKey {
  switch (given.format) {
    case 'openssh':
      return openssh(given.text, passphrase);
    case 'pem':
      return pem(given, passphrase);
    case 'putty':
      return putty(given.text, passphrase);
  }
}

function openssh(text: string, passphrase: string | null): ParsedKey {
  const open = readOpensshKey(text.replace(/-----.*-----|\n/g, ''));
  if (open === null) throw damaged();
  checkType(keyType(open.publicKey) ?? '');
  const locked = open.cipher !== 'none';
  if (locked && passphrase === null) throw passphraseMissing();
  if (!CIPHERS.test(open.cipher)) throw lockedOtherwise('a cipher that cannot be used here', '-Z aes256-ctr');
  if (open.rounds > MOST_ROUNDS) throw lockedOtherwise(`more than ${MOST_ROUNDS} rounds`, '-a 100');
  const parsed = parse(text, passphrase);
  if (typeof parsed === 'string') {
    throw locked && /bad passphrase|unable to authenticate data/i.test(parsed)
      ? passphraseWrong()
      : damaged();
  }
  if (!parsed.getPublicSSH().equals(open.publicKey)) throw damaged();
  return parsed;
}

function checkType(type: string): void {
  if (TYPES.includes(type)) return;
  if (type === 'ssh-dss') throw dsa();
  if (type.startsWith('sk-')) throw unusable('one of a security token', 'which somebody would have to touch');
  throw damaged();
}

function dsa(): ConnectError {
  return unusable('a DSA key', 'which SSH servers have refused for years');
}

function pem({ text, encrypted }: KeyText, passphrase: string | null): ParsedKey {
  if (encrypted && passphrase === null) throw passphraseMissing();
  let key: KeyObject;
  try {
    key = createPrivateKey({ key: text, ...(passphrase === null ? {} : { passphrase }) });
  } catch (error) {
    if (!encrypted) throw damaged();
    throw /bad decrypt/i.test(String(error)) ? passphraseWrong() : passphraseWrongOrDamaged();
  }
  try {
    const parsed = parse(asSsh2Reads(key), null);
    // Of an EC key, ssh2 makes the public half itself, and the file's may be another.
    const isWhole =
      typeof parsed !== 'string' && createPublicKey(parsed.getPublicPEM()).equals(createPublicKey(key));
    if (isWhole) return parsed;
  } catch (error) {
    // OpenSSL reads keys that it cannot write.
    if (error instanceof ConnectError) throw error;
  }
  throw damaged();
}

/** ssh2 reads no PKCS#8, and of PEM not all that OpenSSL does. */
function asSsh2Reads(key: KeyObject): string {
  const curve = key.asymmetricKeyDetails?.namedCurve;
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return key.export({ type: 'pkcs1', format: 'pem' }).toString();
    case 'ed25519': {
      const { d = '', x = '' } = key.export({ format: 'jwk' });
      return writeEd25519(Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url'));
    }
    case 'ec':
      if (curve === undefined || !['prime256v1', 'secp384r1', 'secp521r1'].includes(curve)) {
        throw unusable(`one of the curve ${curve ?? 'without a name'}`, 'which SSH does not have');
      }
      return key.export({ type: 'sec1', format: 'pem' }).toString();
    case 'dsa':
      throw dsa();
    default:
      throw unusable(`of the kind ${key.asymmetricKeyType}`, 'which SSH does not have');
  }
}

/** ssh2 reads one of PuTTY's formats: that of RSA keys before PuTTY 0.75. */
function putty(text: string, passphrase: string | null): ParsedKey {
  if (!/^PuTTY-User-Key-File-2: ssh-rsa\n/.test(text)) throw puttyKey();
  const locked = !/^Encryption: none$/m.test(text);
  if (locked && passphrase === null) throw passphraseMissing();
  const parsed = parse(text, locked ? passphrase : null);
  if (typeof parsed !== 'string') return parsed;
  throw locked && /bad passphrase/i.test(parsed) ? passphraseWrong() : puttyKey();
}

/** The answer is ssh2's complaint where it cannot read the key. */
function parse(text: string, passphrase: string | null): ParsedKey | string {
  try {
    const result = ssh2.utils.parseKey(text, passphrase ?? undefined);
    const parsed = Array.isArray(result) ? result[0] : result;
    if (parsed instanceof Error) return parsed.message;
    return parsed?.isPrivateKey() ? parsed : 'no private key';
  } catch (error) {
    return String(error);
  }
}

/** Whether the private half belongs to the public one. */
function canSign(key: ParsedKey): boolean {
  const data = Buffer.from('a test of both halves');
  const isRsa = key.type === 'ssh-rsa';
  const hash = isRsa ? 'sha512' : undefined;
  try {
    const signature = key.sign(data, hash);
    if (!Buffer.isBuffer(signature) || key.verify(data, signature, hash) !== true) return false;
    return !isRsa || areOfOneKey(createPrivateKey(key.getPrivatePEM()).export({ format: 'jwk' }));
  } catch {
    return false;
  }
}

/** OpenSSL signs with an RSA key even where some of its numbers are wrong: it goes round them. */
function areOfOneKey(rsa: JsonWebKey): boolean {
  const [n, d, p, q, dp, dq, qi] = [rsa.n, rsa.d, rsa.p, rsa.q, rsa.dp, rsa.dq, rsa.qi].map((number) =>
    BigInt(`0x0${Buffer.from(number ?? '', 'base64url').toString('hex')}`),
  ) as [bigint, bigint, bigint, bigint, bigint, bigint, bigint];
  return p * q === n && d % (p - 1n) === dp && d % (q - 1n) === dq && (qi * q) % p === 1n;
}
