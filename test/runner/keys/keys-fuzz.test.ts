import { execFileSync, spawnSync } from 'node:child_process';
import { createPublicKey } from 'node:crypto';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { ConnectError } from '../../../src/runner/connect-error.ts';
import { readKeyText } from '../../../src/runner/keys/key-text.ts';
import { type PrivateKey, readPrivateKey } from '../../../src/runner/keys/keys.ts';
import { fuzzRandom, fuzzRuns, fuzzTimeout, mutated, outcome } from '../../rig/fuzz.ts';
import { pick, type Random } from '../../rig/random.ts';
import { keyMaker, puttyFile } from './make-keys.ts';

const RUNS = fuzzRuns(1_500);
const ASKED_EVERY = process.env.FUZZ_RUNS === undefined ? 8 : 1;
const PASSPHRASE = 'open sesame';
const directory = mkdtempSync(join(tmpdir(), 'keys-fuzz-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));
const { ssh, openssl } = keyMaker(directory);

const OPEN = ['-N', ''];
const rsa = ssh('rsa', '-t', 'rsa', '-b', '1024', '-m', 'PEM', ...OPEN);
const open = [
  ssh('ed25519', '-t', 'ed25519', ...OPEN),
  ssh('rsa-openssh', '-t', 'rsa', '-b', '1024', ...OPEN),
  ssh('ecdsa', '-t', 'ecdsa', ...OPEN),
  rsa,
  ssh('ecdsa-pem', '-t', 'ecdsa', '-m', 'PEM', ...OPEN),
  ssh('rsa-pkcs8', '-t', 'rsa', '-b', '1024', '-m', 'PKCS8', ...OPEN),
  openssl('ed25519-pkcs8', null, 'genpkey', '-algorithm', 'ed25519'),
].map(({ text }) => text);
const locked = [
  ssh('locked', '-t', 'ed25519', '-N', PASSPHRASE, '-a', '1').text,
  ssh('rsa-locked', '-t', 'rsa', '-b', '1024', '-m', 'PEM', '-N', PASSPHRASE).text,
  puttyFile(rsa.text, PASSPHRASE),
];
const known = new Set([...open, ...locked].map((text) => readPrivateKey(text, PASSPHRASE).fingerprint));

it(
  'no text makes the parser of keys crash or hang, and none is a key that OpenSSH would not read',
  () => {
    const rand = fuzzRandom('keys');
    let read = 0;
    let refused = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const isLocked = rand(20) === 0;
      const text = pick(rand, isLocked ? locked : open);
      const given =
        isLocked || rand(2) === 0
          ? pasted(rand, mutated(rand, text, open))
          : pasted(rand, bitten(rand, text));
      const passphrase = isLocked || rand(4) === 0 ? PASSPHRASE : null;
      const found = outcome(() => readPrivateKey(given, passphrase), ConnectError, given);
      if ('result' in found) {
        read += 1;
        // OpenSSH is a process each time.
        if (read % ASKED_EVERY === 0) expectRead(given, passphrase, found.result);
      } else {
        refused += 1;
        expect(['key', 'passphrase']).toContain(found.error.kind);
      }
    }
    expect(read).toBeGreaterThan(RUNS / 50);
    expect(refused).toBeGreaterThan(RUNS / 4);
  },
  fuzzTimeout(RUNS),
);

/** Changes bytes of what the frame holds, so that it is base64 still. */
function bitten(rand: Random, text: string): string {
  const [, begin, body = '', end] = /^(.*\n)([\s\S]*\n)(.*\n)$/.exec(text) ?? [];
  const data = Buffer.from(body, 'base64');
  for (let times = 1 + rand(3); times > 0; times -= 1) {
    data[rand(data.length)] = rand(4) === 0 ? pick(rand, [0, 1, 0x7f, 0x80, 0xff]) : rand(256);
  }
  const cut = rand(8) === 0 ? data.subarray(0, rand(data.length)) : data;
  return `${begin}${cut.toString('base64').replace(/.{1,70}/g, '$&\n')}${end}`;
}

function pasted(rand: Random, text: string): string {
  return pick(rand, [
    () => text,
    () => text,
    () => text.replaceAll('\n', '\\n'),
    () => text.replaceAll('\n', ' '),
    () => Buffer.from(text).toString('base64'),
    () => `"${text.replaceAll('\n', '\r\n')}"`,
  ])();
}

/** That OpenSSH reads the same key where the text is another than before. */
function expectRead(given: string, passphrase: string | null, key: PrivateKey): void {
  const { text, format } = readKeyText(given);
  if (open.includes(text) || (known.has(key.fingerprint) && format === 'putty')) return;
  const file = join(directory, 'read');
  writeFileSync(file, text, { mode: 0o600 });
  const pass = passphrase ?? '';
  const { stdout, stderr } = spawnSync('ssh-keygen', ['-y', '-P', pass, '-f', file], { encoding: 'utf8' });
  // OpenSSH before 9.6 leaves Ed25519 in PKCS#8 to OpenSSL.
  const theirs = key.type === 'ssh-ed25519' && format === 'pem' ? byOpenssl(file, pass) : stdout;
  expect(theirs.split(' ').slice(0, 2).join(' ').trim(), `${stderr}\n${JSON.stringify(given)}`).toBe(
    key.publicLine,
  );
}

function byOpenssl(file: string, passphrase: string): string {
  const pem = execFileSync('openssl', ['pkey', '-in', file, '-passin', `pass:${passphrase}`, '-pubout']);
  const { x = '' } = createPublicKey(pem).export({ format: 'jwk' });
  const blob = Buffer.concat([
    Buffer.from('0000000b', 'hex'),
    Buffer.from('ssh-ed25519'),
    Buffer.from('00000020', 'hex'),
  ]);
  return `ssh-ed25519 ${Buffer.concat([blob, Buffer.from(x, 'base64url')]).toString('base64')}`;
}
