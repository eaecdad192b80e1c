import { execFileSync } from 'node:child_process';
import { createCipheriv, createHash, createHmac, createPrivateKey } from 'node:crypto';
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

/** A key that OpenSSH or OpenSSL made. */
export interface MadeKey {
  /** The private key's file. */
  text: string;
  /** Type and base64, as in authorized_keys. */
  publicKey: string;
  /** As `ssh-keygen -lf` prints it. */
  fingerprint: string;
}

/** Makes keys in a directory; each has a name of its own. */
export function keyMaker(directory: string) {
  const file = (name: string): string => join(directory, name);
  const run = (program: string, ...args: string[]): string =>
    execFileSync(program, args, { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] });
  const made = (text: string, publicKey: string, name: string): MadeKey => {
    writeFileSync(file(`${name}.public`), publicKey);
    const fingerprint = run('ssh-keygen', '-lf', file(`${name}.public`)).split(' ')[1] ?? '';
    return { text, publicKey: publicKey.split(' ').slice(0, 2).join(' ').trim(), fingerprint };
  };
  return {
    /** By ssh-keygen. */
    ssh(name: string, ...options: string[]): MadeKey {
      run('ssh-keygen', '-q', '-C', 'me@home', '-f', file(name), ...options);
      return made(readFileSync(file(name), 'utf8'), readFileSync(file(`${name}.pub`), 'utf8'), name);
    },
    /** By OpenSSL, whose command writes the private key; the passphrase is of the key alone. */
    openssl(name: string, passphrase: string | null, ...command: string[]): MadeKey {
      const text = run('openssl', ...command);
      writeFileSync(file(name), text);
      const unlock = passphrase === null ? [] : ['-passin', `pass:${passphrase}`];
      run('openssl', 'pkey', '-in', file(name), ...unlock, '-pubout', '-out', file(`${name}.pem`));
      return made(text, publicLine(run, file(`${name}.pem`)), name);
    },
  };
}

type Run = (program: string, ...args: string[]) => string;

/** What authorized_keys has for a public key in PEM; ssh-keygen reads no Ed25519 there before OpenSSH 9.6. */
function publicLine(run: Run, pem: string): string {
  if (!run('openssl', 'pkey', '-pubin', '-in', pem, '-noout', '-text').startsWith('ED25519')) {
    return run('ssh-keygen', '-i', '-m', 'PKCS8', '-f', pem);
  }
  const der = readFileSync(pem, 'utf8').replace(/-----.*-----|\n/g, '');
  const blob = Buffer.concat([string('ssh-ed25519'), string(Buffer.from(der, 'base64').subarray(-32))]);
  return `ssh-ed25519 ${blob.toString('base64')}\n`;
}

/** Writes an RSA key as PuTTY did before its version 0.75. */
export function puttyFile(rsa: string, passphrase: string | null): string {
  const { n = '', e = '', d = '', p = '', q = '', qi = '' } = createPrivateKey(rsa).export({ format: 'jwk' });
  const open = Buffer.concat([string('ssh-rsa'), number(e), number(n)]);
  let secret = Buffer.concat([number(d), number(p), number(q), number(qi)]);
  const cipher = passphrase === null ? 'none' : 'aes256-cbc';
  if (passphrase !== null) {
    const missing = -secret.length & 15;
    const filler = createHash('sha1').update(secret).digest();
    secret = Buffer.concat([secret, filler.subarray(0, missing)]);
  }
  const macKey = createHash('sha1')
    .update('putty-private-key-file-mac-key')
    .update(passphrase ?? '')
    .digest();
  const mac = createHmac('sha1', macKey);
  for (const part of ['ssh-rsa', cipher, 'me@home', open, secret]) mac.update(string(part));
  const digest = mac.digest('hex');
  const sealed = passphrase === null ? secret : encrypted(secret, passphrase);
  const [openLines, sealedLines] = [open, sealed].map(
    (data) => data.toString('base64').match(/.{1,64}/g) ?? [],
  );
  return [
    'PuTTY-User-Key-File-2: ssh-rsa',
    `Encryption: ${cipher}`,
    'Comment: me@home',
    `Public-Lines: ${openLines?.length}`,
    ...(openLines ?? []),
    `Private-Lines: ${sealedLines?.length}`,
    ...(sealedLines ?? []),
    `Private-MAC: ${digest}`,
    '',
  ].join('\n');
}

function encrypted(data: Buffer, passphrase: string): Buffer {
  const key = Buffer.concat(
    [0, 1].map((count) =>
      createHash('sha1')
        .update(Buffer.from([0, 0, 0, count]))
        .update(passphrase)
        .digest(),
    ),
  );
  const cipher = createCipheriv('aes-256-cbc', key.subarray(0, 32), Buffer.alloc(16)).setAutoPadding(false);
  return Buffer.concat([cipher.update(data), cipher.final()]);
}

function number(base64url: string): Buffer {
  const bytes = Buffer.from(base64url, 'base64url');
  return string((bytes[0] ?? 0) & 0x80 ? Buffer.concat([Buffer.from([0]), bytes]) : bytes);
}

function string(content: Buffer | string): Buffer {
  const bytes = Buffer.from(content);
  const length = Buffer.alloc(4);
  length.writeUInt32BE(bytes.length);
  return Buffer.concat([length, bytes]);
}
