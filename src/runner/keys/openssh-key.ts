import { keyType } from '../identity/public-key.ts';

/** What OpenSSH's private key format shows of a key that may be locked. */
export interface OpensshKey {
  /** `none` where it is not locked. */
  cipher: string;
  /** How often the passphrase is hashed. */
  rounds: number;
  /** In SSH's wire format. */
  publicKey: Buffer;
}

const MAGIC = Buffer.from('openssh-key-v1\0');
/** Of the one cipher family whose tag stands behind the key. */
const TAG_LENGTH = 16;

/** Reads the open part of a key file, without its frame; null if it is damaged. */
export function readOpensshKey(base64: string): OpensshKey | null {
  const data = Buffer.from(base64, 'base64');
  if (data.toString('base64') !== base64 || !data.subarray(0, MAGIC.length).equals(MAGIC)) return null;
  const fields = reader(data, MAGIC.length);
  const cipher = fields.string()?.toString('latin1');
  const hash = fields.string()?.toString('latin1');
  const hashing = fields.string();
  const keys = fields.number();
  const publicKey = fields.string();
  const secret = fields.string();
  if (cipher === undefined || !hashing || !publicKey || !secret || keys !== 1) return null;
  if ((cipher === 'none') !== (hash === 'none')) return null;
  if (fields.left() !== (/gcm|poly1305/.test(cipher) ? TAG_LENGTH : 0)) return null;
  if (hash === 'none') return isWhole(publicKey, secret) ? { cipher, rounds: 0, publicKey } : null;
  const rounds = roundsOf(hashing);
  return rounds === null ? null : { cipher, rounds, publicKey };
}

/** What is not locked repeats the public key behind two numbers, though an RSA key in another order. */
function isWhole(publicKey: Buffer, secret: Buffer): boolean {
  const repeated = secret.subarray(8, 8 + publicKey.length);
  return secret.length % 8 === 0 && (repeated.equals(publicKey) || keyType(publicKey) === 'ssh-rsa');
}

function roundsOf(hashing: Buffer): number | null {
  const fields = reader(hashing, 0);
  const salt = fields.string();
  const rounds = fields.number();
  return salt && salt.length > 0 && rounds && fields.left() === 0 ? rounds : null;
}

/** Writes an Ed25519 key, of which both halves have 32 bytes, as ssh-keygen does without a passphrase. */
export function writeEd25519(seed: Buffer, point: Buffer): string {
  const type = string('ssh-ed25519');
  const check = Buffer.alloc(8);
  const secret = Buffer.concat([
    check,
    type,
    string(point),
    string(Buffer.concat([seed, point])),
    string(''),
  ]);
  const padding = Buffer.from(Array.from({ length: (8 - (secret.length % 8)) % 8 }, (_, index) => index + 1));
  const data = Buffer.concat([
    MAGIC,
    string('none'),
    string('none'),
    string(''),
    number(1),
    string(Buffer.concat([type, string(point)])),
    string(Buffer.concat([secret, padding])),
  ]);
  const lines = data.toString('base64').replace(/.{1,70}/g, '$&\n');
  return `-----BEGIN OPENSSH PRIVATE KEY-----\n${lines}-----END OPENSSH PRIVATE KEY-----\n`;
}

/** Reads strings and numbers, as SSH writes them, from front to back; undefined if there is not enough left. */
function reader(data: Buffer, start: number) {
  let at = start;
  const number = (): number | undefined => {
    if (at + 4 > data.length) return undefined;
    at += 4;
    return data.readUInt32BE(at - 4);
  };
  const string = (): Buffer | undefined => {
    const length = number();
    if (length === undefined || at + length > data.length) return undefined;
    at += length;
    return data.subarray(at - length, at);
  };
  return { number, string, left: (): number => data.length - at };
}

function number(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
}

function string(content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  return Buffer.concat([number(bytes.length), bytes]);
}
