import { spawnSync } from 'node:child_process';
import { isIPv6 } from 'node:net';
import { expect, test } from 'vitest';
import { BadValue } from '../../src/inputs/bad-value.ts';
import { parseDuration } from '../../src/inputs/duration.ts';
import { parseHosts, parsePort, parseUsername } from '../../src/inputs/host-address.ts';
import { InputsError } from '../../src/inputs/problem.ts';
import { readInputs } from '../../src/inputs.ts';
import { canonicalHost } from '../../src/runner/identity/host-pattern.ts';
import { readWorkflow } from '../../src/workflow.ts';
import { fuzzRandom, fuzzRuns, fuzzTimeout, mutated, outcome } from '../rig/fuzz.ts';
import { pick } from '../rig/random.ts';

const RUNS = fuzzRuns(4_000);
/** ssh is a process each time. */
const ASKED_EVERY = process.env.FUZZ_RUNS === undefined ? 40 : 5;

const HOSTS = [
  'web=deploy@app.example.com:2222',
  'app.example.com',
  '[2001:db8::1]:22',
  'me@10.0.0.7',
  'a_b=x-1.y',
  '[fe80::1%eth0]',
];
const DURATIONS = ['500ms', '30s', '10m', '1h', '0s', '999999999999h', '1.5s', '-1s', '1e3s', '0x1s'];
const PRINT = `SHA256:${'A'.repeat(43)}`;
const PRINTS = [PRINT, `web=${PRINT}`, `${PRINT}, app.example.com=${PRINT}`, `${PRINT}=`, 'MD5:00:11'];

test(
  'hosts: nothing is read but what ssh takes too, and reads alike',
  () => {
    const rand = fuzzRandom('hosts');
    let read = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const given = mutated(rand, pick(rand, HOSTS), HOSTS);
      const found = outcome(() => parseOne(given), BadValue, given);
      if ('error' in found) continue;
      read += 1;
      const { label, username, address, port } = found.result;
      expect(address, given).toMatch(/^[A-Za-z0-9_.:%-]+$/);
      expect(address.startsWith('-'), given).toBe(false);
      if (port !== null) expect(port > 0 && port < 65_536, given).toBe(true);
      // Put together again, it says the same.
      const place = isIPv6(address) ? `[${address}]` : address;
      const again = `${label}=${username === null ? '' : `${username}@`}${place}${port === null ? '' : `:${port}`}`;
      expect(parseOne(again), given).toEqual(found.result);
      if (read % ASKED_EVERY === 0) expect(bySsh(address, username ?? 'me', port ?? 22), given).toBe(true);
    }
    expect(read).toBeGreaterThan(RUNS / 20);
  },
  fuzzTimeout(RUNS),
);

/** Of several hosts each is read alike. */
function parseOne(given: string): ReturnType<typeof parseHosts>[0] {
  const [host, ...others] = parseHosts(given, { username: 'me', port: '22' });
  if (others.length > 0) throw new BadValue('several hosts', 'one');
  return host;
}

/** Whether ssh takes the words, and takes them for what they are. */
function bySsh(address: string, username: string, port: number): boolean {
  const args = ['-G', '-F', 'none', '-p', String(port), '-l', username, address];
  const { status, stdout } = spawnSync('ssh', args, { encoding: 'utf8' });
  const lines = stdout.split('\n');
  // It makes small letters of a host only as it looks it up.
  const host = `hostname ${canonicalHost(address)}`.toLowerCase();
  return (
    status === 0 &&
    lines.includes(`user ${username}`) &&
    lines.includes(`port ${port}`) &&
    lines.some((line) => line.toLowerCase() === host)
  );
}

test.each([
  "o'neil",
  'a"b',
  'a`b',
  'a;b',
  'a&b',
  'a|b',
  'a<b',
  'a>b',
  'a(b',
  'a)b',
  'a{b',
  'a}b',
  'a\\',
  '-a',
  'a\tb',
])('a user whom ssh refuses is refused: %s', (user) => {
  expect(() => parseUsername(user)).toThrow(BadValue);
});

test(
  'durations are read as a clock of their own counts them',
  () => {
    const rand = fuzzRandom('durations');
    const milliseconds = { ms: 1n, s: 1_000n, m: 60_000n, h: 3_600_000n };
    let read = 0;
    for (let run = 0; run < RUNS; run += 1) {
      const unit = pick(rand, ['ms', 's', 'm', 'h'] as const);
      const number = BigInt(rand(pick(rand, [10, 1_000, 100_000])));
      const isPlain = rand(2) === 0;
      const given = isPlain ? `${number}${unit}` : mutated(rand, pick(rand, DURATIONS));
      const found = outcome(() => parseDuration(given, { least: '100ms', most: '24h' }), BadValue, given);
      const exact = number * milliseconds[unit];
      if (isPlain) expect('result' in found, given).toBe(exact >= 100n && exact <= 86_400_000n);
      if ('error' in found) continue;
      read += 1;
      if (isPlain) expect(BigInt(found.result), given).toBe(exact);
      // Nothing but digits and a unit is ever a duration.
      const [digits = ''] = /^[0-9]+/.exec(given) ?? [];
      expect(BigInt(digits) * (milliseconds[given.slice(digits.length) as 'ms'] ?? -1n), given).toBe(
        BigInt(found.result),
      );
    }
    expect(read).toBeGreaterThan(RUNS / 20);
  },
  fuzzTimeout(RUNS),
);

test(
  'ports, and all inputs together, fail by their own error alone',
  () => {
    const rand = fuzzRandom('inputs');
    const good = { host: 'app.example.com', username: 'deploy', password: 'hunter22', path: '/srv/shop' };
    const github = {
      GITHUB_SHA: '0'.repeat(40),
      GITHUB_REPOSITORY: 'acme/shop',
      GITHUB_SERVER_URL: 'https://github.com',
    };
    const samples: Array<[string, readonly string[]]> = [
      ['host', HOSTS],
      ['username', ['deploy', 'root', 'a.b-c_d']],
      ['port', ['22', '65535', '022']],
      ['fingerprint', PRINTS],
      ['known-hosts', [`app.example.com ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAI${'A'.repeat(43)}`]],
      ['connect-timeout', DURATIONS],
      ['path', ['/srv/shop', '~/shop']],
      ['health-url', ['http://localhost:3000/health']],
      ['app', ['web, worker']],
    ];
    for (let run = 0; run < RUNS / 4; run += 1) {
      const [name, texts] = pick(rand, samples);
      const given = mutated(rand, pick(rand, texts), texts);
      outcome(() => parsePort(given), BadValue, given);
      const inputs = Object.entries({ ...good, [name]: given });
      const variables = inputs.map(([input, value]) => [`INPUT_${input.toUpperCase()}`, value]);
      const env = { ...github, ...Object.fromEntries(variables) };
      const found = outcome(
        () => readInputs(env, readWorkflow(env), () => {}),
        InputsError,
        `${name}: ${given}`,
      );
      if ('error' in found) expect(found.error.message).not.toContain('hunter22');
    }
  },
  fuzzTimeout(RUNS),
);
