import { generateKeyPairSync, type KeyObject } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { ConnectError } from '../../../src/runner/connect-error.ts';
import { connect } from '../../../src/runner/connection/connect.ts';
import { readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { type SshHost, startSshd } from '../../rig/sshd.ts';
import { keyMaker, type MadeKey, puttyFile } from './make-keys.ts';

const directory = mkdtempSync(join(tmpdir(), 'keys-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const { ssh, openssl } = keyMaker(directory);

const PASSPHRASE = 'öpen sesame';
/** One round: how long a passphrase is hashed does not matter here. */
const LOCKED = ['-N', PASSPHRASE, '-a', '1'];
const P256 = ['-algorithm', 'EC', '-pkeyopt', 'ec_paramgen_curve:P-256'];
const OPEN = ['-N', ''];
const LOCK = `pass:${PASSPHRASE}`;

const ed25519 = ssh('ed25519', '-t', 'ed25519', ...OPEN);
const rsaPem = ssh('rsa-pem', '-t', 'rsa', '-b', '2048', '-m', 'PEM', ...OPEN);
const rsaPemLocked = ssh('rsa-pem-locked', '-t', 'rsa', '-b', '2048', '-m', 'PEM', ...LOCKED);
const PKCS8_ED25519 = openssl('pkcs8-ed25519', null, 'genpkey', '-algorithm', 'ed25519');

const unlocked: Array<[string, MadeKey]> = [
  ['OpenSSH Ed25519', ed25519],
  ['OpenSSH RSA', ssh('rsa', '-t', 'rsa', ...OPEN)],
  ['OpenSSH ECDSA 256', ssh('ecdsa', '-t', 'ecdsa', ...OPEN)],
  ['OpenSSH ECDSA 384', ssh('ecdsa-384', '-t', 'ecdsa', '-b', '384', ...OPEN)],
  ['OpenSSH ECDSA 521', ssh('ecdsa-521', '-t', 'ecdsa', '-b', '521', ...OPEN)],
  ['PEM RSA', rsaPem],
  ['PEM ECDSA', ssh('ecdsa-pem', '-t', 'ecdsa', '-m', 'PEM', ...OPEN)],
  ['PEM ECDSA behind its parameters', openssl('ec', null, 'ecparam', '-name', 'secp384r1', '-genkey')],
  ['PKCS#8 RSA', ssh('rsa-pkcs8', '-t', 'rsa', '-b', '2048', '-m', 'PKCS8', ...OPEN)],
  ['PKCS#8 ECDSA', ssh('ecdsa-pkcs8', '-t', 'ecdsa', '-b', '521', '-m', 'PKCS8', ...OPEN)],
  ['PKCS#8 Ed25519', PKCS8_ED25519],
  ['PuTTY 2 RSA', { ...rsaPem, text: puttyFile(rsaPem.text, null) }],
];

const locked: Array<[string, MadeKey]> = [
  ...['aes128-cbc', 'aes192-cbc', 'aes256-cbc', 'aes128-ctr', 'aes192-ctr', 'aes256-ctr', '3des-cbc']
    .concat(['aes128-gcm@openssh.com', 'aes256-gcm@openssh.com'])
    .map((cipher): [string, MadeKey] => [
      `OpenSSH Ed25519, ${cipher}`,
      ssh(`locked-${cipher}`, '-t', 'ed25519', '-Z', cipher, ...LOCKED),
    ]),
  ['OpenSSH RSA', ssh('rsa-locked', '-t', 'rsa', '-b', '2048', ...LOCKED)],
  ['OpenSSH ECDSA', ssh('ecdsa-locked', '-t', 'ecdsa', ...LOCKED)],
  ['PEM RSA', rsaPemLocked],
  ['PEM ECDSA', ssh('ecdsa-pem-locked', '-t', 'ecdsa', '-m', 'PEM', ...LOCKED)],
  [
    'PEM RSA, 3DES',
    openssl('rsa-3des', PASSPHRASE, 'genrsa', '-traditional', '-des3', '-passout', LOCK, '2048'),
  ],
  ['PKCS#8 RSA', ssh('rsa-pkcs8-locked', '-t', 'rsa', '-b', '2048', '-m', 'PKCS8', ...LOCKED)],
  ['PKCS#8 ECDSA', openssl('ec-pkcs8', PASSPHRASE, 'genpkey', ...P256, '-aes-256-cbc', '-pass', LOCK)],
  [
    'PKCS#8 Ed25519',
    openssl('ed-pkcs8', PASSPHRASE, 'genpkey', '-algorithm', 'ed25519', '-aes256', '-pass', LOCK),
  ],
  ['PuTTY 2 RSA', { ...rsaPem, text: puttyFile(rsaPem.text, PASSPHRASE) }],
];

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const pasted: Array<[string, (text: string) => string]> = [
  ['as it is', (text) => text],
  ['with CRLF', (text) => text.replaceAll('\n', '\r\n')],
  ['with a lone CR', (text) => text.replaceAll('\n', '\r')],
  ['without its last line end', (text) => text.trimEnd()],
  ['among blank lines', (text) => `\n\n${text}\n\n`],
  ['with every line end doubled', (text) => text.replaceAll('\n', '\n\n')],
  ['with a byte order mark', (text) => `\uFEFF${text}`],
  ['with blanks of no width', (text) => text.replaceAll('\n', '\u200B\n')],
  ['indented', (text) => text.replace(/^/gm, '    ')],
  ['with blanks at the ends of lines', (text) => text.replaceAll('\n', ' \t\n')],
  ['in double quotes', (text) => `"${text}"`],
  ['in single quotes', (text) => `'${text.trim()}'`],
  ['in a quotation that does not end', (text) => `"${text}`],
  ['in a fence', (text) => `\`\`\`\n${text}\`\`\``],
  ['behind a name', (text) => `key: ${text}`],
  ['with \\n written out', (text) => text.replaceAll('\n', '\\n')],
  ['with \\n written out twice', (text) => text.replaceAll('\n', '\\\\n')],
  ['with \\r\\n written out, quoted', (text) => `"${text.replaceAll('\n', '\\r\\n')}"`],
  ['with \\n written out and meant', (text) => text.replaceAll('\n', '\\n\n')],
  ['as JSON', (text) => JSON.stringify(text).replaceAll('/', '\\/')],
  ['with spaces for line ends', (text) => text.trim().replaceAll('\n', ' ')],
  ['without any line ends', (text) => text.trim().replace(/\n/g, '')],
  ['in base64', base64],
  ['in base64 with CRLF', (text) => base64(text.replaceAll('\n', '\r\n'))],
  ['in wrapped base64', (text) => base64(text).replace(/.{76}/g, '$&\n')],
  ['in quoted base64', (text) => `"${base64(text)}"`],
];

describe('a key as it is pasted', () => {
  it.each(pasted)('is read %s', (_, paste) => {
    for (const made of [ed25519, rsaPem, PKCS8_ED25519, rsaPemLocked]) {
      const key = readPrivateKey(paste(made.text), PASSPHRASE);
      expect(key.fingerprint).toBe(made.fingerprint);
      expect(key.publicLine).toBe(made.publicKey);
    }
  });

  const lines = ['as it is', 'with CRLF', 'indented', 'in base64', 'with \\n written out'];
  it.each(pasted.filter(([what]) => lines.includes(what)))('is read %s from PuTTY', (_, paste) => {
    expect(readPrivateKey(paste(puttyFile(rsaPem.text, null)), null).fingerprint).toBe(rsaPem.fingerprint);
  });
});

describe('a format', () => {
  it.each(unlocked)('without a passphrase is read: %s', (_, made) => {
    expect(readPrivateKey(made.text, null).fingerprint).toBe(made.fingerprint);
    // One that it does not need does no harm.
    expect(readPrivateKey(made.text, PASSPHRASE).fingerprint).toBe(made.fingerprint);
  });

  it.each(locked)('with a passphrase is unlocked by that alone: %s', (_, made) => {
    expect(readPrivateKey(made.text, PASSPHRASE).fingerprint).toBe(made.fingerprint);
    expect(errorOf(made.text, null)).toMatchObject({
      kind: 'passphrase',
      message: 'The key is encrypted, and passphrase is not set.',
    });
    expect(errorOf(made.text, 'wrong')).toMatchObject({
      kind: 'passphrase',
      message: expect.stringMatching(/^The passphrase does not unlock the key/),
    });
  });

  it('whose passphrase is hashed too often, or by a cipher that is not known, says how to lock it anew', () => {
    const slow = ssh('slow', '-t', 'ed25519', '-N', PASSPHRASE, '-a', '1');
    const data = Buffer.from(slow.text.replace(/-----.*-----|\n/g, ''), 'base64');
    const rounds = data.indexOf(Buffer.from([0, 0, 0, 1]), data.indexOf('bcrypt') + 26);
    data.writeUInt32BE(4_000_000_000, rounds);
    const text = `-----BEGIN OPENSSH PRIVATE KEY-----\n${data.toString('base64')}\n-----END OPENSSH PRIVATE KEY-----\n`;
    expect(errorOf(text, PASSPHRASE).remedy).toContain('ssh-keygen -p -a 100 -f key');
    const chacha = ssh('chacha', '-t', 'ed25519', '-Z', 'chacha20-poly1305@openssh.com', ...LOCKED);
    expect(errorOf(chacha.text, PASSPHRASE).remedy).toContain('ssh-keygen -p -Z aes256-ctr -f key');
  });
});

describe('what is no private key', () => {
  it.each([
    'A',
    'a',
    '/',
    '"',
    '\\',
    'sk-',
    'ssh-',
    'ecdsa-sha2-',
    'BEGIN ',
    'BEGIN A',
    '-----BEGIN A-----',
    ' ',
    'A\n',
  ])('is refused at once, though it is long: %j', (unit) => {
    for (const text of [
      `x${unit.repeat(64_000 / unit.length)}!`,
      `BEGIN ${unit.repeat(64_000 / unit.length)}`,
    ]) {
      const before = process.cpuUsage();
      expect(errorOf(text, null).kind).toBe('key');
      expect(process.cpuUsage(before).user / 1_000).toBeLessThan(1_000);
    }
  });

  const lines = ed25519.text.trim().split('\n');
  const middle = lines[2] ?? '';
  const [, body = ''] = /-----\n([\s\S]*)\n-----/.exec(ed25519.text) ?? [];
  const [, pkcs8 = ''] = /-----\n(.*)\n-----/.exec(PKCS8_ED25519.text) ?? [];
  const x25519 = pkcs8Of(generateKeyPairSync('x25519').privateKey);
  const small = pkcs8Of(generateKeyPairSync('rsa', { modulusLength: 768 }).privateKey);
  const secp256k1 = pkcs8Of(generateKeyPairSync('ec', { namedCurve: 'secp256k1' }).privateKey);
  it.each([
    ['nothing', '', 'is empty'],
    ['blanks', ' \n\t ', 'is empty'],
    ['quotes', '""', 'is empty'],
    ['a public key', ed25519.publicKey, 'a public key'],
    ['a public key with options', `command="ls" ${ed25519.publicKey} me@home`, 'a public key'],
    ['a line of known_hosts', `example.com ${rsaPem.publicKey}`, 'a public key'],
    ['a public key in PEM', '-----BEGIN PUBLIC KEY-----\nMCow\n-----END PUBLIC KEY-----', 'a public key'],
    ['a public key of ssh.com', '---- BEGIN SSH2 PUBLIC KEY ----\nAAAA', 'a public key'],
    ['a certificate', `ssh-ed25519-cert-v01@openssh.com AAAA${middle}`, 'a certificate'],
    ['a certificate of TLS', '-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----', 'a certificate'],
    ['a PGP key', '-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nlQ', 'a PGP key'],
    ['a fingerprint', ed25519.fingerprint, 'a fingerprint'],
    ['a PuTTY file', `PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: none\n${middle}`, 'PuTTY'],
    ['an older PuTTY file', `PuTTY-User-Key-File-2: ssh-ed25519\nEncryption: none\n${middle}`, 'PuTTY'],
    ['a damaged PuTTY file', puttyFile(rsaPem.text, null).replace(/MAC: ./, 'MAC: x'), 'PuTTY'],
    ['a path', '~/.ssh/id_ed25519', 'a path'],
    ['an absolute path', '/home/me/.ssh/id_ed25519', 'a path'],
    ['a path of Windows', 'C:\\Users\\me\\.ssh\\id_rsa', 'a path'],
    ['the name of a file', 'deploy.pem', 'a path'],
    ['a masked secret', '***', 'asterisks'],
    ['a variable', '$SSH_KEY', 'the name of a variable'],
    ['an expression', ['$', '{{ secrets.SSH_KEY }}'].join(''), 'the name of a variable'],
    ['a key without its end', lines.slice(0, -1).join('\n'), 'END line is missing'],
    ['a key without its beginning', lines.slice(1).join('\n'), 'BEGIN line is missing'],
    ['a key without its frame', body, 'BEGIN and END lines are missing'],
    [
      'a key of PKCS#8 without its frame',
      rsaPem.text.replace(/-----.*-----/g, ''),
      'BEGIN and END lines are missing',
    ],
    ['a key with dashes lost', ed25519.text.replaceAll('-----', '---'), 'incomplete'],
    ['a key with the end of another', ed25519.text.replace('END OPENSSH', 'END RSA'), 'do not match'],
    ['a key with a line lost', lines.filter((_, index) => index !== 2).join('\n'), 'damaged'],
    ['a key with a line masked', ed25519.text.replace(middle, '***'), 'damaged'],
    ['a PEM key with a line lost', rsaPem.text.replace(/\n.*/, ''), 'damaged'],
    ['a frame with nothing in it', `${lines[0]}\n${lines.at(-1)}`, 'damaged'],
    ['two keys', ed25519.text + rsaPem.text, 'holds 2 private keys'],
    ['a key for something else', x25519, 'of the kind x25519'],
    ['a key of another curve', secp256k1, 'curve secp256k1'],
    ['an RSA key that is too small', small, 'fewer than 1,024'],
    ['a word', 'hunter2hunter2', 'no known format'],
    ['a lot', 'x'.repeat(100_000), 'too long'],
  ])('is refused by name, and never shown: %s', (_, text, says) => {
    const error = errorOf(text, null);
    expect(error).toMatchObject({ kind: 'key', message: expect.stringContaining(says) });
    expect(error.remedy).not.toBe('');
    const shown = `${error.message} ${error.remedy} ${String(error.stack)} ${String(error.cause)}`;
    for (const secret of [middle, 'hunter2', pkcs8]) expect(shown).not.toContain(secret);
  });
});

describe('at a real sshd', () => {
  let sshd: SshHost;
  beforeAll(async () => {
    const authorized = join(directory, 'authorized_keys');
    const all = [...unlocked, ...locked].map(([, { publicKey }]) => publicKey);
    writeFileSync(authorized, `${all.join('\n')}\n`, { mode: 0o600 });
    sshd = await startSshd({ home: directory, config: [`AuthorizedKeysFile ${authorized}`] });
  });
  afterAll(() => sshd.stop());

  it.each([...unlocked, ...locked.slice(5)])('it logs in: %s', async (_, made) => {
    const connection = await connect({
      label: 'host-1',
      host: sshd.host,
      port: sshd.port,
      shownHost: sshd.host,
      username: sshd.username,
      key: readPrivateKey(made.text, PASSPHRASE),
      password: null,
      agent: null,
      hostKey: { kind: 'fingerprints', list: [sshd.fingerprint] },
      timeout: 20_000,
    });
    await connection.close();
    expect(sshd.log()).toMatch(
      new RegExp(`Accepted publickey .* ${made.fingerprint.replace(/[+/]/g, '\\$&')}`),
    );
  });
});

function pkcs8Of(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }).toString();
}

function errorOf(text: string, passphrase: string | null): ConnectError {
  try {
    readPrivateKey(text, passphrase);
  } catch (error) {
    if (error instanceof ConnectError) return error;
    throw error;
  }
  throw new Error('the key was read');
}
