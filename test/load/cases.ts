import type { Outcome } from '../../src/protocol.ts';
import type { FixtureOptions } from '../rig/fixture-app.ts';

type Version = Omit<FixtureOptions, 'port' | 'version'>;

/** `otherPort` is for a second app. */
type VersionFor = (instances: number, otherPort: number) => Version;

/** One row of docs/reload.md: a deploy under load, and what is promised of it. */
export interface LoadCase {
  title: string;
  /** What runs before the deploy, where that is not the plain app; for a host of so many instances. */
  from?: VersionFor;
  /** What is deployed. */
  to: VersionFor;
  /** Further inputs of the action. */
  inputs?: Record<string, string>;
  /** What the load asks for, other than `/version`. */
  asks?: string;
  outcome: Outcome;
  /** A text in the job's log. */
  says?: string;
  /** Why requests may fail here, and what the user can change; without it, none may. */
  mayFail?: string;
  /** What `/settings` answers afterwards. */
  settings?: string;
  /** Whether it belongs to the choice that `npm test` runs. */
  inTests?: true;
}

/** The plain app, on so many instances in cluster mode. */
export const plain = (instances: number): Version => ({ settings: { instances } });

/** One instance in fork mode, without a line of shutdown code. */
const fork = (): Version => ({
  shutdown: 'none',
  settings: { exec_mode: 'fork', instances: 1, wait_ready: false },
});

const flawed =
  (flaw: NonNullable<Version['flaw']>) =>
  (instances: number): Version => ({ flaw, ...plain(instances) });
function withApi(instances: number, port: number, begin: string): Version {
  const source = `${begin}
require('http').createServer().listen(process.env.PORT, () => process.send('ready'));
process.on('SIGINT', () => process.exit(0));
`;
  const settings = { script: './api.js', exec_mode: 'cluster', instances: 1, wait_ready: true };
  return {
    ...plain(instances),
    more: [{ name: 'api', ...settings, env: { PORT: String(port) } }],
    moreFiles: { 'api.js': source },
  };
}
const HEALTH = { 'health-url': '/health' };

/** All of them, in the order of the table. The plain times are `stable-for: 2s` and `health-timeout: 20s`. */
export const CASES: readonly LoadCase[] = [
  { title: 'a good version', to: plain, outcome: 'deployed' },
  {
    title: 'throws at boot',
    to: flawed('throws at boot'),
    outcome: 'failed',
    says: 'cannot boot',
    inTests: true,
  },
  {
    title: "never sends 'ready'",
    to: flawed('never sends ready'),
    outcome: 'deployed',
    says: "its canary sent no 'ready'",
  },
  {
    title: 'never listens',
    to: flawed('never listens'),
    inputs: { 'health-timeout': '5s' },
    outcome: 'failed',
    says: 'does not listen on port',
  },
  {
    title: 'ready, then crashes after 2 s',
    to: flawed('crashes after 2 s'),
    inputs: { 'stable-for': '4s' },
    outcome: 'failed',
    says: 'after two seconds',
  },
  {
    title: 'crashes every 1.5 s',
    to: flawed('crashes after 1.5 s'),
    outcome: 'failed',
    says: 'after one and a half seconds',
  },
  {
    title: 'a healthy process that answers 500',
    to: flawed('answers 500'),
    inputs: { ...HEALTH, 'health-timeout': '5s' },
    outcome: 'failed',
    says: 'answers 500',
  },
  {
    title: 'a health endpoint that turns bad after 5 s',
    to: flawed('turns bad after 5 s'),
    inputs: { ...HEALTH, 'stable-for': '7s' },
    outcome: 'failed',
    says: 'answers 500',
  },
  {
    title: 'needs 8 s to boot (`listen_timeout` 3 s)',
    to: flawed('needs 8 s to boot'),
    outcome: 'deployed',
    says: 'In this deploy PM2 gets more time',
  },
  {
    title: 'requests of 3 s in flight (`kill_timeout` 6 s)',
    from: (instances) => ({ settings: { instances, kill_timeout: 6000 } }),
    to: (instances) => ({ settings: { instances, kill_timeout: 6000 } }),
    asks: '/slow',
    outcome: 'deployed',
    inTests: true,
  },
  { title: 'two instances more', to: (instances) => plain(instances + 2), outcome: 'deployed' },
  {
    title: 'two instances fewer',
    from: (instances) => plain(instances + 2),
    to: plain,
    outcome: 'deployed',
  },
  {
    title: 'cluster mode, no shutdown code',
    from: (instances) => ({ shutdown: 'none', ...plain(instances) }),
    to: (instances) => ({ shutdown: 'none', ...plain(instances) }),
    outcome: 'deployed',
    mayFail: 'instances are drained with Node 18.18 or later; Node 16 has no way to load what drains them.',
  },
  {
    title: 'fork mode, no shutdown code',
    from: fork,
    to: fork,
    outcome: 'deployed',
    mayFail:
      'an instance hands its port over with Node 22.12 or later; with an older Node PM2 restarts the app.',
  },
  {
    title: 'fork mode, no shutdown code, a health endpoint that turns bad after 5 s, no canary',
    from: fork,
    to: () => ({ ...fork(), flaw: 'turns bad after 5 s' }),
    inputs: { ...HEALTH, canary: 'off', 'stable-for': '7s' },
    outcome: 'rolled-back',
    mayFail: 'as in fork mode above, twice.',
  },
  {
    title: 'fork mode, one instance → cluster mode',
    from: () => ({ settings: { instances: 1, exec_mode: 'fork' } }),
    to: plain,
    outcome: 'deployed',
    mayFail:
      "a process in fork mode has the port for itself, so it has to end before PM2's cluster can listen there. It happens once: " +
      'from then on the app is in cluster mode. Do it when few are on the site.',
  },
  {
    title: 'a changed script, args and env',
    from: (instances) => ({ settings: { instances, args: '--old', env: { GREETING: 'hi', OLD: 'old' } } }),
    to: (instances) => ({
      settings: { instances, script: 'dist/main.js', args: '--new', env: { GREETING: 'hello' } },
    }),
    outcome: 'deployed',
    settings: 'main.js --new hello ',
  },
  {
    title: 'two apps, one of them broken',
    from: (instances, otherPort) => withApi(instances, otherPort, ''),
    to: (instances, otherPort) => withApi(instances, otherPort, "throw new Error('the api cannot boot');"),
    outcome: 'failed',
    says: 'the api cannot boot',
    inTests: true,
  },
];
