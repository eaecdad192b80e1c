import { createPublicKey } from 'node:crypto';

/** A public key as a known_hosts line has it. */
export interface PublicKey {
  type: string;
  /** The key in SSH's wire format. */
  blob: Buffer;
}

/** Smaller and larger RSA keys are none to OpenSSH. */
const RSA_BITS = { least: 1024, most: 16_384 };

const CURVES: Record<string, { name: string; bytes: number }> = {
  nistp256: { name: 'P-256', bytes: 32 },
  nistp384: { name: 'P-384', bytes: 48 },
  nistp521: { name: 'P-521', bytes: 66 },
};

/** Reads a key as it stands in known_hosts; null if OpenSSH takes it for none. */
export function readPublicKey(name: string, base64: string): PublicKey | null {
  const blob = Buffer.from(base64, 'base64');
  if (blob.toString('base64') !== base64) return null;
  // The name of a way to sign with an RSA key does for the key's own.
  const type = /^rsa-sha2-(256|512)$/.test(name) ? 'ssh-rsa' : name;
  return keyType(blob) === type && isPublicKey(blob) ? { type, blob } : null;
}

/** The key type that a key in SSH's wire format begins with, or null if it is not one. */
export function keyType(blob: Buffer): string | null {
  if (blob.length < 4) return null;
  const length = blob.readUInt32BE(0);
  if (length === 0 || blob.length < 4 + length) return null;
  return blob.toString('latin1', 4, 4 + length);
}

/** Whether a key in SSH's wire format is whole and of a type that OpenSSH knows. */
export function isPublicKey(blob: Buffer): boolean {
  const type = keyType(blob) ?? '';
  const [, ...fields] = fieldsOf(blob) ?? [];
  const [first = Buffer.alloc(0), second = Buffer.alloc(0)] = fields;
  switch (type) {
    case 'ssh-ed25519':
      return fields.length === 1 && first.length === 32;
    case 'sk-ssh-ed25519@openssh.com':
      return fields.length === 2 && first.length === 32;
    case 'ssh-rsa': {
      const bits = bitsOf(second);
      return (
        fields.length === 2 &&
        isPositive(first) &&
        isPositive(second) &&
        bits >= RSA_BITS.least &&
        bits <= RSA_BITS.most
      );
    }
    case 'ssh-dss':
      return fields.length === 4 && fields.every(isPositive);
    case 'ecdsa-sha2-nistp256':
    case 'ecdsa-sha2-nistp384':
    case 'ecdsa-sha2-nistp521':
      return fields.length === 2 && isOnCurve(type.slice('ecdsa-sha2-'.length), first, second);
    case 'sk-ecdsa-sha2-nistp256@openssh.com':
      return fields.length === 3 && isOnCurve('nistp256', first, second);
    default:
      return /-cert-v01@openssh\.com$/.test(type) && fields.length > 0;
  }
}

/** The strings that a key is made of, or null if one of them is not whole. */
function fieldsOf(blob: Buffer): Buffer[] | null {
  const fields: Buffer[] = [];
  for (let at = 0; at < blob.length; ) {
    if (at + 4 > blob.length) return null;
    const end = at + 4 + blob.readUInt32BE(at);
    if (end > blob.length) return null;
    fields.push(blob.subarray(at + 4, end));
    at = end;
  }
  return fields;
}

/** The first bit of a number in SSH's wire format is its sign. */
function isPositive(number: Buffer): boolean {
  return ((number[0] ?? 0) & 0x80) === 0;
}

function bitsOf(number: Buffer): number {
  return number.length === 0 ? 0 : BigInt(`0x${number.toString('hex')}`).toString(2).length;
}

function isOnCurve(curve: string, named: Buffer, point: Buffer): boolean {
  const { name, bytes } = CURVES[curve] ?? { name: '', bytes: 0 };
  // A point begins with 4 where both of its coordinates follow.
  if (named.toString('latin1') !== curve || point.length !== 1 + 2 * bytes || point[0] !== 4) return false;
  const [x, y] = [point.subarray(1, 1 + bytes), point.subarray(1 + bytes)].map((part) =>
    part.toString('base64url'),
  );
  try {
    createPublicKey({ key: { kty: 'EC', crv: name, x: x ?? '', y: y ?? '' }, format: 'jwk' });
    return true;
  } catch {
    return false;
  }
}
