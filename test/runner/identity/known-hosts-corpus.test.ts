import { execFile, execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { canonicalHost, knownHostsName, namesHost } from '../../../src/runner/identity/host-pattern.ts';
import { checkKnownHosts, unreadableLines } from '../../../src/runner/identity/known-hosts.ts';
import { findSshd } from '../../rig/sshd.ts';
import { type CorpusCase, type CorpusKeys, randomCases, writtenCases } from './known-hosts-corpus.ts';

const RANDOM_CASES = Number(process.env.KNOWN_HOSTS_CASES ?? 100);
const SEED = Number(process.env.KNOWN_HOSTS_SEED ?? 1);
const AT_ONCE = 4;

const directory = mkdtempSync(join(tmpdir(), 'corpus-'));
const file = (name: string): string => join(directory, name);
afterAll(() => rmSync(directory, { recursive: true, force: true }));

const sshd = findSshd();
if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
const keys: CorpusKeys = {
  ed25519: makeKey('ed25519', '-t', 'ed25519'),
  rsa: makeKey('rsa', '-t', 'rsa', '-b', '2048'),
  ecdsa: makeKey('ecdsa', '-t', 'ecdsa'),
  others: [
    makeKey('other-ed25519', '-t', 'ed25519'),
    makeKey('other-rsa', '-t', 'rsa', '-b', '2048'),
    makeKey('other-ecdsa', '-t', 'ecdsa'),
    makeKey('ecdsa-521', '-t', 'ecdsa', '-b', '521'),
  ],
};
for (const type of ['ed25519', 'rsa', 'ecdsa']) {
  writeFileSync(file(`${type}.config`), `HostKey ${file(type)}\nUsePAM no\nStrictModes no\n`);
}
const cases = [...writtenCases(keys), ...randomCases(keys, RANDOM_CASES, SEED)];

test("judges every file as OpenSSH's client does, which has a real sshd before it", async () => {
  const differences: string[] = [];
  const verdicts = new Map<string, number>();
  await inParallel(cases, async (each, worker) => {
    const theirs = await verdictOfSsh(each, file(`known_hosts-${worker}`));
    const ours = verdictOfOurs(each);
    verdicts.set(theirs, (verdicts.get(theirs) ?? 0) + 1);
    if (ours !== theirs) differences.push(`${theirs} by ssh, ${ours} by us: ${JSON.stringify(each)}`);
  });
  expect(differences).toEqual([]);
  expect(cases.length).toBeGreaterThan(150);
  // None of the verdicts is a rare one.
  for (const verdict of ['match', 'changed', 'unknown', 'revoked']) {
    expect(verdicts.get(verdict), verdict).toBeGreaterThan(cases.length / 40);
  }
});

test('finds the lines that ssh-keygen -F finds', async () => {
  const differences: string[] = [];
  await inParallel(cases, async ({ what, text, host, port }, worker) => {
    const name = knownHostsName(canonicalHost(host), port);
    writeFileSync(file(`looked-up-${worker}`), text);
    const { stdout } = await run('ssh-keygen', ['-F', name, '-f', file(`looked-up-${worker}`)]);
    // It shows lines whose key is broken too.
    const broken = unreadableLines(text);
    const theirs = [...stdout.matchAll(/found: line (\d+)/g)].map(([, line]) => Number(line));
    const ours = text.split('\n').flatMap((line, index) => (fieldNames(line, name) ? [index + 1] : []));
    const [left, right] = [theirs, ours].map((lines) => lines.filter((line) => !broken.includes(line)));
    if (String(left) !== String(right))
      differences.push(`${left} there, ${right} here: ${what} ${name}\n${text}`);
  });
  expect(differences).toEqual([]);
});

function fieldNames(line: string, name: string): boolean {
  const field = /^[ \t]*(?:@[^ \t]+[ \t]+)?([^ \t#][^ \t]*)/.exec(line)?.[1];
  return field !== undefined && namesHost(field, name);
}

/**
 * Ours, in ssh's words. It has no word of its own for authorities. And where `[host]:port` is not pinned, it asks for the bare
 * name only whether that one has this key; that another is pinned there it does not say.
 */
function verdictOfOurs({ text, host, port, presented }: CorpusCase): string {
  const blob = Buffer.from(keys[presented].split(' ')[1] ?? '', 'base64');
  const { kind } = checkKnownHosts(text, host, port, blob);
  if (kind === 'authority-only') return 'unknown';
  return kind === 'changed' && !pinsItself(text, knownHostsName(canonicalHost(host), port))
    ? 'unknown'
    : kind;
}

/** Whether a line pins a key for the very name. */
function pinsItself(text: string, name: string): boolean {
  const broken = unreadableLines(text);
  return text
    .split('\n')
    .some((line, index) => !broken.includes(index + 1) && !/^[ \t]*@/.test(line) && fieldNames(line, name));
}

async function verdictOfSsh(
  { text, host, port, presented }: CorpusCase,
  knownHosts: string,
): Promise<string> {
  writeFileSync(knownHosts, text);
  const options = [
    'BatchMode=yes',
    'StrictHostKeyChecking=yes',
    `UserKnownHostsFile=${knownHosts}`,
    'GlobalKnownHostsFile=none',
    // The login is refused in any case: what comes before it is asked for.
    'PreferredAuthentications=none',
    'KexAlgorithms=curve25519-sha256',
    `ProxyCommand=${sshd} -i -f ${file(`${presented}.config`)}`,
  ];
  const { stderr } = await run('ssh', [
    '-F',
    'none',
    ...options.flatMap((option) => ['-o', option]),
    '-p',
    String(port),
    '-l',
    'nobody',
    host,
    'true',
  ]);
  if (/Permission denied/.test(stderr)) return 'match';
  if (/HOST IDENTIFICATION HAS CHANGED/.test(stderr)) return 'changed';
  if (/REVOKED HOST KEY/.test(stderr)) return 'revoked';
  if (/No \S+ host key is known for/.test(stderr)) return 'unknown';
  return `no verdict (${stderr})`;
}

function makeKey(name: string, ...options: string[]): string {
  execFileSync('ssh-keygen', ['-q', '-N', '', '-C', '', '-f', file(name), ...options]);
  return readFileSync(file(`${name}.pub`), 'utf8').trim();
}

async function inParallel<T>(
  items: readonly T[],
  work: (item: T, worker: number) => Promise<void>,
): Promise<void> {
  const left = [...items];
  const workers = Array.from({ length: AT_ONCE }, async (_, worker) => {
    for (let item = left.shift(); item !== undefined; item = left.shift()) await work(item, worker);
  });
  await Promise.all(workers);
}

function run(program: string, args: string[]): Promise<{ stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    // OpenSSH's own matcher takes for ever over many stars.
    execFile(program, args, { encoding: 'utf8', timeout: 10_000 }, (_error, stdout, stderr) =>
      resolve({ stdout, stderr }),
    );
  });
}
