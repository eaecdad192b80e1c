import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { fingerprint, readHostKey } from '../../../src/runner/identity/host-key.ts';
import { checkKnownHosts, unreadableLines } from '../../../src/runner/identity/known-hosts.ts';

const directory = mkdtempSync(join(tmpdir(), 'known-hosts-'));
const [ed25519 = '', other = '', rsa = ''] = [
  makeKey('one', 'ed25519'),
  makeKey('two', 'ed25519'),
  makeKey('three', 'rsa'),
];
const presented = blobOf(ed25519);

afterAll(() => rmSync(directory, { recursive: true, force: true }));

function makeKey(name: string, type: string): string {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', join(directory, name)]);
  return readFileSync(join(directory, `${name}.pub`), 'utf8').trim();
}

function blobOf(publicKey: string): Buffer {
  return Buffer.from(publicKey.split(' ')[1] ?? '', 'base64');
}

function hashed(line: string): string {
  const file = join(directory, 'to-hash');
  writeFileSync(file, `${line}\n`);
  execFileSync('ssh-keygen', ['-q', '-H', '-f', file], { stdio: 'ignore' });
  return readFileSync(file, 'utf8');
}

const table: Array<[what: string, text: string, host: string, port: number, verdict: string]> = [
  ['the plain name', `example.com ${ed25519}`, 'example.com', 22, 'match'],
  ['a name in capitals', `Example.COM ${ed25519}`, 'eXample.com', 22, 'match'],
  ['another name', `example.com ${ed25519}`, 'example.org', 22, 'unknown'],
  ['nothing at all', '', 'example.com', 22, 'unknown'],
  ['another key', `example.com ${other}`, 'example.com', 22, 'changed'],
  ['a key of another type', `example.com ${rsa}`, 'example.com', 22, 'changed'],
  [
    'several keys',
    `example.com ${rsa}\nexample.com ${other}\nexample.com ${ed25519}`,
    'example.com',
    22,
    'match',
  ],
  ['several names', `a.example,b.example,10.0.0.1 ${ed25519}`, '10.0.0.1', 22, 'match'],
  ['a port', `[example.com]:2222 ${ed25519}`, 'example.com', 2222, 'match'],
  ['a port that is another', `[example.com]:2222 ${ed25519}`, 'example.com', 2223, 'unknown'],
  ['a port for the usual one', `[example.com]:2222 ${ed25519}`, 'example.com', 22, 'unknown'],
  ['no port for a port', `example.com ${ed25519}`, 'example.com', 2222, 'match'],
  [
    'another key with the port',
    `example.com ${ed25519}\n[example.com]:2222 ${other}`,
    'example.com',
    2222,
    'changed',
  ],
  ['an IPv6 address', `2001:db8::1 ${ed25519}`, '2001:db8::1', 22, 'match'],
  ['an IPv6 address and a port', `[2001:db8::1]:2222 ${ed25519}`, '2001:db8::1', 2222, 'match'],
  ['a star', `*.example.com ${ed25519}`, 'a.b.example.com', 22, 'match'],
  ['a question mark', `web?.example.com ${ed25519}`, 'web1.example.com', 22, 'match'],
  ['a question mark for nothing', `web?.example.com ${ed25519}`, 'web.example.com', 22, 'unknown'],
  ['a dot is a dot', `a.example.com ${ed25519}`, 'aXexample.com', 22, 'unknown'],
  ['a negation', `*.example.com,!db.example.com ${ed25519}`, 'db.example.com', 22, 'unknown'],
  ['a negation first', `!db.example.com,*.example.com ${ed25519}`, 'db.example.com', 22, 'unknown'],
  ['a negation of another', `*.example.com,!db.example.com ${ed25519}`, 'web.example.com', 22, 'match'],
  ['a hashed name', hashed(`example.com ${ed25519}`), 'example.com', 22, 'match'],
  ['a hashed name of another', hashed(`example.com ${ed25519}`), 'example.org', 22, 'unknown'],
  ['a hashed name and a port', hashed(`[example.com]:2222 ${ed25519}`), 'example.com', 2222, 'match'],
  ['a hashed name with another key', hashed(`example.com ${other}`), 'example.com', 22, 'changed'],
  [
    'comments, blank lines, CRLF',
    `# hello\r\n\r\n  example.com ${ed25519} me@home\r\n`,
    'example.com',
    22,
    'match',
  ],
  ['tabs', `example.com\t${ed25519.replace(' ', '\t')}`, 'example.com', 22, 'match'],
  ['a commented entry', `#example.com ${ed25519}`, 'example.com', 22, 'unknown'],
  ['a revoked key', `@revoked * ${ed25519}\nexample.com ${ed25519}`, 'example.com', 22, 'revoked'],
  ['another key revoked', `@revoked * ${other}\nexample.com ${ed25519}`, 'example.com', 22, 'match'],
  [
    'a certificate authority',
    `@cert-authority *.example.com ${other}`,
    'a.example.com',
    22,
    'authority-only',
  ],
  [
    'an authority with the very key',
    `@cert-authority example.com ${ed25519}`,
    'example.com',
    22,
    'authority-only',
  ],
  [
    'an authority beside the key',
    `@cert-authority * ${other}\nexample.com ${ed25519}`,
    'example.com',
    22,
    'match',
  ],
  ['an unknown marker', `@trusted example.com ${ed25519}`, 'example.com', 22, 'unknown'],
  ['a line that is cut off', `example.com ${ed25519.slice(0, 40)}`, 'example.com', 22, 'unknown'],
  ['no key', 'example.com', 'example.com', 22, 'unknown'],
];

it.each(table)('%s', (_, text, host, port, verdict) => {
  expect(checkKnownHosts(text, host, port, presented).kind).toBe(verdict);
});

it('tells the keys that were expected, and the lines that it cannot read', () => {
  const text = `# fine\nexample.com ${rsa}\nexample.com ssh-ed25519 not-base64\nexample.com ssh-ed25519 ${rsa.split(' ')[1]}\n`;
  const verdict = checkKnownHosts(text, 'example.com', 22, presented);
  expect(verdict).toEqual({ kind: 'changed', expected: [{ type: 'ssh-rsa', blob: blobOf(rsa) }] });
  expect(unreadableLines(text)).toEqual([3, 4]);
});

it('computes fingerprints as ssh-keygen does', () => {
  for (const [name, key] of [
    ['one', ed25519],
    ['three', rsa],
  ] as const) {
    const printed = execFileSync('ssh-keygen', ['-lf', join(directory, `${name}.pub`)], { encoding: 'utf8' });
    expect(fingerprint(blobOf(key))).toBe(printed.split(' ')[1]);
    expect(readHostKey(blobOf(key)).type).toBe(key.split(' ')[0]);
  }
});
