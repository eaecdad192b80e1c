import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, describe, expect, it } from 'vitest';
import { ConnectError } from '../../src/runner/connect-error.ts';
import { readPrivateKey } from '../../src/runner/keys.ts';

const directory = mkdtempSync(join(tmpdir(), 'keys-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

function keygen(
  name: string,
  ...options: string[]
): { text: string; publicKey: string; fingerprint: string } {
  const file = join(directory, name);
  execFileSync('ssh-keygen', ['-q', '-C', 'me@home', '-f', file, ...options]);
  return {
    text: readFileSync(file, 'utf8'),
    publicKey: readFileSync(`${file}.pub`, 'utf8').trim(),
    fingerprint: execFileSync('ssh-keygen', ['-lf', `${file}.pub`], { encoding: 'utf8' }).split(' ')[1] ?? '',
  };
}

const plain = keygen('plain', '-t', 'ed25519', '-N', '');
const locked = keygen('locked', '-t', 'ed25519', '-N', 'open sesame');
const base64 = (text: string): string => Buffer.from(text).toString('base64');

describe('a key as it is pasted', () => {
  it.each([
    ['as it is', plain.text],
    ['with CRLF', plain.text.replaceAll('\n', '\r\n')],
    ['with a lone CR', plain.text.replaceAll('\n', '\r')],
    ['without its last line end', plain.text.trimEnd()],
    ['among blank lines', `\n\n${plain.text}\n\n`],
    ['with a byte order mark', `\uFEFF${plain.text}`],
    ['indented', plain.text.replace(/^/gm, '    ')],
    ['in double quotes', `"${plain.text}"`],
    ['in single quotes', `'${plain.text.trim()}'`],
    ['with \\n written out', plain.text.replaceAll('\n', '\\n')],
    ['with \\r\\n written out, quoted', `"${plain.text.replaceAll('\n', '\\r\\n')}"`],
    ['with spaces for line ends', plain.text.trim().replaceAll('\n', ' ')],
    ['without any line ends', plain.text.trim().replace(/\n/g, '')],
    ['in base64', base64(plain.text)],
    ['in wrapped base64', base64(plain.text).replace(/.{76}/g, '$&\n')],
  ])('is read %s', (_, text) => {
    const key = readPrivateKey(text, null);
    expect(key.fingerprint).toBe(plain.fingerprint);
    expect(key.type).toBe('ssh-ed25519');
    expect(`${key.publicLine} me@home`).toBe(plain.publicKey);
  });

  it.each([
    ['RSA', keygen('rsa', '-t', 'rsa', '-N', '')],
    ['RSA in PEM', keygen('rsa-pem', '-t', 'rsa', '-m', 'PEM', '-N', '')],
    ['RSA in PKCS#8', keygen('rsa-pkcs8', '-t', 'rsa', '-m', 'PKCS8', '-N', '')],
    ['ECDSA', keygen('ecdsa', '-t', 'ecdsa', '-N', '')],
    ['ECDSA in PKCS#8', keygen('ecdsa-pkcs8', '-t', 'ecdsa', '-m', 'PKCS8', '-N', '')],
  ])('is read: %s', (_, made) => {
    expect(readPrivateKey(made.text, null).fingerprint).toBe(made.fingerprint);
  });

  it.each([
    ['OpenSSH', locked],
    ['aes256-gcm', keygen('gcm', '-t', 'ed25519', '-N', 'open sesame', '-Z', 'aes256-gcm@openssh.com')],
    ['PEM', keygen('locked-pem', '-t', 'rsa', '-m', 'PEM', '-N', 'open sesame')],
    ['PKCS#8', keygen('locked-pkcs8', '-t', 'rsa', '-m', 'PKCS8', '-N', 'open sesame')],
  ])('is unlocked by its passphrase alone: %s', (_, made) => {
    expect(readPrivateKey(made.text, 'open sesame').fingerprint).toBe(made.fingerprint);
    expect(errorOf(made.text, null)).toMatchObject({
      kind: 'passphrase',
      message: expect.stringContaining('not set'),
    });
    expect(errorOf(made.text, 'wrong')).toMatchObject({
      kind: 'passphrase',
      message: 'The passphrase does not unlock the key.',
    });
  });

  it('does not mind a passphrase that it does not need', () => {
    expect(readPrivateKey(plain.text, 'open sesame').fingerprint).toBe(plain.fingerprint);
  });
});

describe('what is no private key', () => {
  const lines = plain.text.trim().split('\n');
  const pkcs8 = generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }).toString();
  const middle = lines[2] ?? '';
  it.each([
    ['nothing', '', 'is empty'],
    ['blanks', ' \n\t ', 'is empty'],
    ['a public key', plain.publicKey, 'a public key'],
    [
      'a public key in PEM',
      generateKeyPairSync('ed25519').publicKey.export({ type: 'spki', format: 'pem' }).toString(),
      'a public key',
    ],
    ['a PuTTY file', `PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n${middle}`, 'PuTTY'],
    ['a path', '~/.ssh/id_ed25519', 'a path'],
    ['an absolute path', '/home/me/.ssh/id_ed25519', 'a path'],
    ['a masked secret', '***', 'asterisks'],
    ['a key without its end', lines.slice(0, -1).join('\n'), 'END line is missing'],
    ['a key without its beginning', lines.slice(1).join('\n'), 'BEGIN line is missing'],
    ['a key with a line lost', lines.filter((_, index) => index !== 2).join('\n'), 'damaged'],
    ['an Ed25519 key in PKCS#8', pkcs8, 'PKCS#8'],
    ['a word', 'hunter2hunter2', 'no known format'],
  ])('is refused by name, and never shown: %s', (_, text, says) => {
    const error = errorOf(text, null);
    expect(error).toMatchObject({ kind: 'key', message: expect.stringContaining(says) });
    const shown = `${error.message} ${error.remedy} ${String(error.stack)} ${String(error.cause)}`;
    for (const secret of [middle, 'hunter2', pkcs8.split('\n')[1] ?? '']) expect(shown).not.toContain(secret);
  });
});

function errorOf(text: string, passphrase: string | null): ConnectError {
  try {
    readPrivateKey(text, passphrase);
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error('the key was read');
}
