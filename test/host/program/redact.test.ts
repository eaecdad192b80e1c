import { inspect } from 'node:util';
import { describe, expect, it } from 'vitest';
import {
  createRedactor,
  secretsOfEnvFile,
  secretsOfEnvironment,
  secretsOfUrl,
} from '../../../src/host/program/redact.ts';
import { LONGEST_LINE } from '../../../src/host/system/line-splitter.ts';

describe('createRedactor', () => {
  it('hides values, the longest first, and each line of a value of several', () => {
    const { hide, redact } = createRedactor();
    hide(['postgres://u:p@db', 'postgres://u:p@db/prod', '-----BEGIN-----\nMIIEpQIBAAKC\n-----END-----']);
    expect(redact('at postgres://u:p@db/prod: MIIEpQIBAAKC')).toBe('at ***: ***');
  });

  it.each([
    ['JSON', (secret: string) => JSON.stringify({ a: secret })],
    ['JSON in JSON', (secret: string) => JSON.stringify(JSON.stringify(secret))],
    ['an inspected object', (secret: string) => inspect({ a: secret })],
    ['a URL', (secret: string) => `https://x/?a=${encodeURIComponent(secret)}&b`],
    [
      'a URL in lower case',
      (secret: string) => encodeURIComponent(secret).replace(/%../g, (code) => code.toLowerCase()),
    ],
    ['a form', (secret: string) => new URLSearchParams({ a: secret }).toString()],
    ['base64', (secret: string) => Buffer.from(secret).toString('base64')],
    ['base64 for a URL', (secret: string) => Buffer.from(secret).toString('base64url')],
  ])('hides a value with quotes and signs as %s shows it', (_, show) => {
    for (const secret of ['tOp"sEcret/+=ä value', "it's sEcret \\ val&ue", '"sEcretVa', 'sEcret~(val)*ue!']) {
      const { hide, redact } = createRedactor();
      hide([secret]);
      const shown = redact(show(secret));
      expect(shown).toContain('***');
      expect(shown).not.toMatch(/sEcret|val/);
      expect(show(secret)).not.toContain(shown);
    }
  });

  it('hides the first part of a value at the end of a line that was cut', () => {
    const { hide, redact } = createRedactor();
    hide(['topsecretvalue', 'topsecretvalue-of-another']);
    for (const part of ['t', 'topsec', 'topsecretvalu', 'topsecretvalue-of'])
      expect(redact('x'.repeat(LONGEST_LINE - part.length) + part)).toMatch(/^x+\*{3,}(-of)?$/);
    expect(redact('short topsec')).toBe('short topsec');
  });

  it('takes hardly longer for many values than for a few', () => {
    const cost = (count: number): number => {
      const { hide, redact } = createRedactor();
      hide(Array.from({ length: count }, (_, at) => `value-${at * 7919}-"of a variable"`));
      const before = process.cpuUsage();
      for (let line = 0; line < 3_000; line++)
        redact(`dist/assets/index-${line}.js  123.40 kB | gzip: 41.20 kB`);
      return process.cpuUsage(before).user / 1_000;
    };
    expect(cost(1_000)).toBeLessThan(500);
  });

  it('finds values that begin alike, and one within another', () => {
    const { hide, redact } = createRedactor();
    hide(['same-beginning-1', 'same-beginning-2', 'beginning-2']);
    expect(redact('same-beginning-2 same-beginning-1 beginning-2 same-beginning-3')).toBe(
      '*** *** *** same-beginning-3',
    );
  });

  it('leaves short values alone, which are words of every log', () => {
    const { hide, redact } = createRedactor();
    hide(['true', '3000', 'prod']);
    expect(redact('listens on 3000: true')).toBe('listens on 3000: true');
  });

  it.each([
    [
      "fatal: unable to access 'https://me:t0ken@git.example/a.git/'",
      "fatal: unable to access 'https://***@git.example/a.git/'",
    ],
    ['https://ghp_x@github.com/a postgres://app:p@ss@db/x', 'https://***@github.com/a postgres://***@db/x'],
    ['from ssh://git@github.com/a', 'from ssh://git@github.com/a'],
    ['https://unpkg.com/react@18 // by ada@example.com', 'https://unpkg.com/react@18 // by ada@example.com'],
  ])('takes the login out of any address: %s', (text, shown) => {
    expect(createRedactor().redact(text)).toBe(shown);
  });

  it('takes no longer for a text that is made for it', () => {
    const started = performance.now();
    createRedactor().redact(`${'//a'.repeat(1_000_000) + '/'.repeat(1_000_000)}//${'a'.repeat(3_000_000)}`);
    expect(performance.now() - started).toBeLessThan(2_000);
  });
});

describe('secretsOfEnvironment', () => {
  it("takes the app's values, not those that say where it runs", () => {
    const env = {
      DATABASE_URL: 'postgres://x',
      PATH: '/usr/local/bin:/usr/bin',
      NODE_ENV: 'production',
      PM2_HOME: '/home/d/.pm2',
    };
    expect(secretsOfEnvironment(env)).toEqual(['postgres://x']);
  });

  it('takes what is only named like a variable of a shell, of npm or of PM2', () => {
    const env = {
      PM2_SECRET_KEY: 'pm2-secret-key',
      PM2_PUBLIC_KEY: 'pm2-public-key',
      'npm_config_//registry.npmjs.org/:_authToken': 'npm_madeUp',
      npm_config__auth: 'bmFtZTpwYXNz',
      SSH_PRIVATE_KEY: '-----BEGIN',
      SSH_PASSWORD: 'ssh-password',
      XDG_API_KEY: 'xdg-api-key',
      LC_DEPLOY_TOKEN: 'lc-deploy-token',
      pm_token: 'pm-token-value',
      MAIL: 'smtp://user:pass@mail.example.com',
      HOME: 'https://token@example.com',
      SHELL: 'not a shell',
      SSH_CONNECTION: 'user:p4ssword@host',
    };
    expect(secretsOfEnvironment(env)).toEqual(Object.values(env));
  });

  it('leaves what every session has', () => {
    const env = {
      MAIL: '/var/mail/deploy',
      SSH_CLIENT: '203.0.113.7 50512 22',
      SSH_CONNECTION: 'fe80::1%eth0 50512 2001:db8::1 22',
      SSH_TTY: '/dev/pts/0',
      XDG_RUNTIME_DIR: '/run/user/1000',
      XDG_DATA_DIRS: '/usr/local/share:/usr/share',
      LANG: 'en_US.UTF-8',
      PM2_USAGE: 'CLI',
      PM2_HOME: '/home/deploy/.pm2',
      npm_lifecycle_event: 'start:production',
      npm_config_user_agent: 'npm/10.8.2 node/v20.18.0 linux x64 workspaces/false',
      name: 'shop-web',
      unique_id: '6f1c3f2e-7b53-4a4e-9d3e-0b8f0f3c9f1a',
    };
    expect(secretsOfEnvironment(env)).toEqual([]);
  });
});

describe('secretsOfEnvFile', () => {
  it.each([
    ['plain', 'KEY=topsecretvalue', 'topsecretvalue'],
    ['exported', '  export KEY = topsecretvalue  ', 'topsecretvalue'],
    ['double quotes', 'KEY="top secret # value"', 'top secret # value'],
    ['single quotes', "KEY='top $ecret value'", 'top $ecret value'],
    ['a comment behind', 'KEY=topsecretvalue # from the vault', 'topsecretvalue'],
    ['a colon', 'KEY: topsecretvalue', 'topsecretvalue'],
    ['line ends of another system', 'A=1\r\nKEY=topsecretvalue\r\n', 'topsecretvalue'],
    ['several lines', 'KEY="-----BEGIN\nMIIEpQIBAAKC\n-----END"', 'MIIEpQIBAAKC'],
    ['a byte order mark', '\uFEFFKEY=topsecretvalue\n', 'topsecretvalue'],
    ['a sign that dotenv ends a value at', 'KEY=topsecretvalue#1', 'topsecretvalue'],
    ['a quote within quotes', "KEY='top\\'secret-value'", "top\\'secret-value"],
    ['a dollar for Next.js', 'KEY=topsecret\\$value', 'topsecret$value'],
    ['a quote that a shell ends at a \\', "A='C:\\'\nKEY='topsecretvalue'", 'topsecretvalue'],
    ['escaped line ends', 'KEY="-----BEGIN\\nMIIEpQIBAAKC"', 'MIIEpQIBAAKC'],
  ])('reads %s', (_, text, printed) => {
    const { hide, redact } = createRedactor();
    hide(secretsOfEnvFile(text));
    expect(redact(`the app prints ${printed} here`)).toBe('the app prints *** here');
  });
});

it.each([
  [
    'http://h/health?key=s3cr3t-token&verbose=readiness',
    ['key=s3cr3t-token&verbose=readiness', 's3cr3t-token'],
  ],
  ['/health?s3cr3t%2Dtoken', ['s3cr3t%2Dtoken', 's3cr3t-token']],
  ['http://h/health#x?y=1', []],
  ['/health', []],
])('of %s the query is secret, and what is no plain word in it', (url, secrets) => {
  expect(new Set(secretsOfUrl(url).filter((one) => one !== ''))).toEqual(new Set(secrets));
});
