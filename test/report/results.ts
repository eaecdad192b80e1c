import { ACCOUNTS, type Failure, type HostResult } from '../../src/protocol.ts';

export const SHA = 'a'.repeat(40);
export const PREVIOUS = 'b'.repeat(40);

const NO_TIME = Object.fromEntries(ACCOUNTS.map((account) => [account, 0])) as HostResult['spent'];

/** A deploy that went well, but for what is given. */
export function result(given: Partial<HostResult> = {}): HostResult {
  return {
    mode: 'deploy',
    outcome: 'deployed',
    sha: SHA,
    previousSha: PREVIOUS,
    target: SHA,
    commit: { subject: 'Show totals in cents', author: 'ann' },
    previousRun: '',
    instances: 2,
    outdated: [],
    asked: true,
    apps: [{ name: 'shop', instances: 2, online: 2, ended: 0 }],
    states: [],
    durationMs: 42_400,
    spent: { ...NO_TIME, git: 800, install: 12_000, build: 8_000, pm2: 3_200, verify: 10_000 },
    versions: { node: 'v22.11.0', pm2: '5.4.3' },
    requests: null,
    failure: null,
    unhealthy: null,
    standing: null,
    ...given,
  };
}

export function failure(given: Partial<Failure> = {}): Failure {
  return {
    state: 'verifying',
    message: 'The new version crashed',
    remedy: 'Mend it and push',
    output: ['one', 'two'],
    appLogs: [{ app: 'shop', version: 'new', lines: ['Error: boom'] }],
    live: null,
    rollback: null,
    ...given,
  };
}

/** What the runner knows of it. */
export const FACTS = {
  label: 'web-1',
  username: 'deploy',
  path: '~/shop',
  apps: [],
  ref: SHA,
  commits: 'https://github.com/acme/shop/commit',
  late: null,
};
