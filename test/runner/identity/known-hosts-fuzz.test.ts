import { execFileSync, spawnSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, it } from 'vitest';
import { checkKnownHosts, unreadableLines } from '../../../src/runner/identity/known-hosts.ts';
import { fuzzRandom, fuzzRuns, fuzzTimeout, mutated, outcome } from '../../rig/fuzz.ts';
import { pick } from '../../rig/random.ts';
import { hashed } from './known-hosts-corpus.ts';

const RUNS = fuzzRuns(4_000);
/** ssh-keygen is a process each time. */
const ASKED_EVERY = process.env.FUZZ_RUNS === undefined ? 20 : 1;
const directory = mkdtempSync(join(tmpdir(), 'hosts-fuzz-'));
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const [ed25519 = '', rsa = '', ecdsa = ''] = ['ed25519', 'rsa', 'ecdsa'].map((type) => {
  execFileSync('ssh-keygen', ['-q', '-t', type, '-N', '', '-C', '', '-f', join(directory, type)]);
  return readFileSync(join(directory, `${type}.pub`), 'utf8').trim();
});
const blob = Buffer.from(ed25519.split(' ')[1] ?? '', 'base64');
const texts = [
  `example.com ${ed25519}\n`,
  `# hosts\n\n*.example.com,!db.example.com,example.com ${ed25519} me@home\n`,
  `example.com ${rsa}\r\nexample.com ${ed25519}\r\nexample.com ${ecdsa}\r\n`,
  `${hashed('example.com')} ${ed25519}\n@revoked * ${rsa}\n`,
  `@cert-authority *.com ${ecdsa}\n[example.com]:2222 ${rsa}\n${'*e'.repeat(30)}* ${ed25519}`,
  `2001:db8::1,192.0.2.* ${ed25519}\nexample.com ${ed25519}\n`,
];
const hosts = [
  'example.com',
  'EXAMPLE.com',
  'db.example.com',
  '2001:db8::1',
  '127.1',
  'e'.repeat(253),
  '',
  '::1%lo',
  '[]',
  '\uFEFF',
];

it(
  'no known_hosts text makes its parser crash or hang, and none pins a key that is not there for OpenSSH',
  () => {
    const rand = fuzzRandom('known-hosts');
    let matched = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const text = mutated(rand, pick(rand, texts), texts);
      const host = rand(2) === 0 ? 'example.com' : pick(rand, hosts);
      const port = pick(rand, [22, 22, 2222]);
      outcome(() => unreadableLines(text), NeverError, text);
      const found = outcome(() => checkKnownHosts(text, host, port, blob), NeverError, text);
      if (!('result' in found) || found.result.kind !== 'match') continue;
      matched += 1;
      if (matched % ASKED_EVERY === 0) expect(keysForOpenssh(text), text).toContain(ed25519.split(' ')[1]);
    }
    expect(matched).toBeGreaterThan(RUNS / 20);
  },
  fuzzTimeout(RUNS),
);

/** The parser has no error of its own: it judges. */
class NeverError extends Error {}

/** What `ssh-keygen -l` can make of the lines: the keys of those that it gives fingerprints of. */
function keysForOpenssh(text: string): string[] {
  return text.split('\n').flatMap((line) => {
    const file = join(directory, 'line');
    writeFileSync(file, `${line}\n`);
    const { status } = spawnSync('ssh-keygen', ['-lf', file]);
    return status === 0 ? [/(AAAA[^ \t\r]+)/.exec(line)?.[1] ?? ''] : [];
  });
}
