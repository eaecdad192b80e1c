import { describe, expect, it } from 'vitest';
import { createRedactor, secretsOfEnvFile, secretsOfEnvironment } from '../../../src/host/program/redact.ts';

describe('createRedactor', () => {
  it('hides values, the longest first, and each line of a value of several', () => {
    const { hide, redact } = createRedactor();
    hide(['postgres://u:p@db', 'postgres://u:p@db/prod', '-----BEGIN-----\nMIIEpQIBAAKC\n-----END-----']);
    expect(redact('at postgres://u:p@db/prod: MIIEpQIBAAKC')).toBe('at ***: ***');
  });

  it('leaves short values alone, which are words of every log', () => {
    const { hide, redact } = createRedactor();
    hide(['true', '3000', 'prod']);
    expect(redact('listens on 3000: true')).toBe('listens on 3000: true');
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
    ['escaped line ends', 'KEY="-----BEGIN\\nMIIEpQIBAAKC"', 'MIIEpQIBAAKC'],
  ])('reads %s', (_, text, printed) => {
    const { hide, redact } = createRedactor();
    hide(secretsOfEnvFile(text));
    expect(redact(`the app prints ${printed} here`)).toBe('the app prints *** here');
  });
});
