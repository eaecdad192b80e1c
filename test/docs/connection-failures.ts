import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { readInputs } from '../../src/inputs.ts';
import { connect, type Destination, type Hop } from '../../src/runner/connection/connect.ts';
import { readPrivateKey } from '../../src/runner/keys/keys.ts';
import { deployOnHost } from '../../src/runner/session/deploying.ts';
import { readWorkflow } from '../../src/workflow.ts';
import { generateKeyPair } from '../rig/embedded-ssh.ts';
import { freePort } from '../rig/free-port.ts';
import { packedProgram } from '../rig/host-program.ts';
import { somePlan } from '../rig/plan.ts';
import type { SshdOptions, SshHost } from '../rig/sshd.ts';
import type { Servers } from './servers.ts';

/** A failure as a user meets it: `fails` brings it about, and rejects with the error that is reported. */
export interface Failure {
  what: string;
  fails(): Promise<unknown>;
}

/** Known to be none without asking a name server, so that it is none without a network too. */
const NO_SUCH_NAME = 'no..such.name';

/** By heading, every way to fail on the way to a host, up to the first step of a deploy there. */
export function failures(servers: Servers): Record<string, Failure[]> {
  const stranger = generateKeyPair();
  const anyKey = { kind: 'off' } as const;

  const reach = (port: number, changes: Partial<Destination> = {}): Promise<unknown> =>
    connect({
      label: 'host-1',
      host: '127.0.0.1',
      port,
      shownHost: null,
      username: 'deploy',
      key: readPrivateKey(stranger.private, null),
      agent: null,
      password: null,
      hostKey: anyKey,
      timeout: 20_000,
      ...changes,
    });
  const from = (sshd: SshHost, changes: Partial<Destination> = {}): Promise<unknown> =>
    reach(sshd.port, { username: sshd.username, key: readPrivateKey(sshd.key, null), ...changes });
  const withSshd = async (
    options: Partial<SshdOptions>,
    changes: (sshd: SshHost) => Partial<Destination>,
  ): Promise<unknown> => {
    const sshd = await servers.sshd(options);
    return from(sshd, changes(sshd));
  };
  const through = async (
    host: string,
    port: number,
    options: Partial<SshdOptions> = {},
    timeout = 20_000,
  ): Promise<unknown> => {
    const sshd = await servers.sshd(options);
    const hop: Hop = {
      label: 'hop-1',
      host: sshd.host,
      port: sshd.port,
      shownHost: null,
      setBy: 'proxy-jump',
      username: sshd.username,
      key: readPrivateKey(sshd.key, null),
      agent: null,
      hostKey: anyKey,
    };
    return reach(port, { host, hops: [hop], timeout });
  };
  /** Logs in, and begins a deploy. */
  const session = async (options: Partial<SshdOptions>, bootstrapTimeout = 15_000): Promise<unknown> => {
    const sshd = await servers.sshd(options);
    const connection = (await from(sshd)) as Awaited<ReturnType<typeof connect>>;
    try {
      const program = await packedProgram('');
      return await deployOnHost({
        connection,
        program,
        plan: somePlan(),
        shellInit: null,
        bootstrapTimeout,
        log: { say() {}, warn() {}, event() {} },
        mayGo: async () => {},
        cancelled: new AbortController().signal,
      });
    } finally {
      await connection.close();
    }
  };
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(servers.home, name), text);
    return path.join(servers.home, name);
  };
  const withKey = async (given: Record<string, string>): Promise<unknown> => {
    const inputs = { host: 'app.example.com', username: 'deploy', path: '/srv/app', ref: 'main', ...given };
    const env = Object.fromEntries(
      Object.entries(inputs).map(([name, value]) => [`INPUT_${name.toUpperCase()}`, value]),
    );
    return readInputs(env, readWorkflow({ GITHUB_REPOSITORY: 'acme/shop' }), () => {});
  };
  const locked = path.join(servers.home, 'locked');
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', 'open sesame', '-f', locked]);
  const lockedKey = readFileSync(locked, 'utf8');

  return {
    'The way there': [
      { what: 'the name of the host is not known', fails: () => reach(22, { host: NO_SUCH_NAME }) },
      { what: 'nothing listens at the port', fails: async () => reach(await freePort()) },
      {
        what: 'a firewall drops the connection',
        fails: async () => reach(await servers.silence(), { timeout: 300 }),
      },
      { what: 'there is no way to the network', fails: () => reach(22, { host: '255.255.255.255' }) },
      {
        what: 'the server turns the runner away, and says why',
        fails: async () => reach(await servers.tcp((socket) => socket.end('Exceeded MaxStartups\r\n'))),
      },
      {
        what: 'the server closes the connection at once',
        fails: async () => reach(await servers.tcp((socket) => socket.destroy())),
      },
      {
        what: 'a web server answers',
        fails: async () =>
          reach(await servers.tcp((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n'))),
      },
      {
        what: 'another server answers',
        fails: async () => reach(await servers.tcp((socket) => socket.end('220 mail ESMTP\r\n'))),
      },
      {
        what: 'something takes the connection, and says nothing',
        fails: async () => reach(await servers.tcp(() => {}), { timeout: 2_000 }),
      },
      {
        what: 'the server ends the handshake',
        fails: async () => reach(await servers.tcp((socket) => socket.end('SSH-2.0-OpenSSH_9.2\r\n'))),
      },
      {
        what: 'there is no common algorithm',
        fails: () => withSshd({ config: ['KexAlgorithms sntrup761x25519-sha512@openssh.com'] }, () => ({})),
      },
    ],
    'Through hops': [
      {
        what: 'the hop forwards nothing',
        fails: () => through('127.0.0.1', 22, { config: ['AllowTcpForwarding no'] }),
      },
      { what: 'the hop does not know the name', fails: () => through(NO_SUCH_NAME, 22) },
      { what: 'the host refuses the hop', fails: async () => through('127.0.0.1', await freePort()) },
      { what: 'the hop has no way to the host', fails: () => through('255.255.255.255', 22) },
      {
        what: 'a firewall drops what the hop sends',
        fails: async () => through('127.0.0.1', await servers.silence(), {}, 4_000),
      },
    ],
    'The host key': [
      { what: 'nothing is pinned', fails: () => withSshd({}, () => ({ hostKey: { kind: 'none' } })) },
      {
        what: 'known-hosts does not name the host',
        fails: () =>
          withSshd({}, () => ({
            hostKey: { kind: 'known-hosts', text: `elsewhere.example.com ${stranger.public}` },
          })),
      },
      {
        what: 'known-hosts has another key',
        fails: () =>
          withSshd({}, ({ port }) => ({
            hostKey: { kind: 'known-hosts', text: `[127.0.0.1]:${port} ${stranger.public}` },
          })),
      },
      {
        what: 'the key is revoked',
        fails: () =>
          withSshd({}, ({ knownHosts }) => ({
            hostKey: { kind: 'known-hosts', text: `@revoked ${knownHosts}` },
          })),
      },
      {
        what: 'only a certificate authority is named',
        fails: () =>
          withSshd({}, ({ knownHosts }) => ({
            hostKey: { kind: 'known-hosts', text: `@cert-authority ${knownHosts}` },
          })),
      },
      {
        what: 'the fingerprint is another',
        fails: () =>
          withSshd({}, () => ({ hostKey: { kind: 'fingerprints', list: [`SHA256:${'A'.repeat(43)}`] } })),
      },
      {
        what: 'the fingerprints are of other hosts',
        fails: () => withSshd({}, () => ({ hostKey: { kind: 'fingerprints', list: [] } })),
      },
    ],
    'The key, before anything is connected': [
      { what: 'the secret is empty', fails: () => withKey({ key: '' }) },
      { what: 'it is a public key', fails: () => withKey({ key: stranger.public }) },
      { what: 'it is a path', fails: () => withKey({ key: '~/.ssh/id_ed25519' }) },
      { what: 'it is a PuTTY file', fails: () => withKey({ key: 'PuTTY-User-Key-File-3: ssh-ed25519\n' }) },
      {
        what: 'it is cut off',
        fails: () => withKey({ key: stranger.private.slice(0, stranger.private.indexOf('-----END')) }),
      },
      { what: 'its passphrase is missing', fails: () => withKey({ key: lockedKey }) },
      {
        what: 'its passphrase is wrong',
        fails: () => withKey({ key: lockedKey, passphrase: 'open says me' }),
      },
    ],
    'The login': [
      {
        what: 'the user or the key is not known there',
        fails: () => withSshd({}, () => ({ key: readPrivateKey(stranger.private, null) })),
      },
      {
        what: 'the server takes passwords alone',
        fails: () =>
          withSshd({ config: ['PasswordAuthentication yes', 'PubkeyAuthentication no'] }, () => ({})),
      },
      {
        what: 'the server takes keys alone',
        fails: () => withSshd({}, () => ({ key: null, password: 'correct horse' })),
      },
      { what: 'the account has expired', fails: async () => reach(await servers.expired()) },
    ],
    'The session': [
      { what: 'no session is allowed', fails: () => session({ config: ['MaxSessions 0'] }) },
      { what: 'the login shell is nologin', fails: () => session({ loginShell: '/usr/sbin/nologin' }) },
      {
        what: "the user's password has expired",
        fails: () =>
          session({ forcedCommand: 'echo "Password change required but no TTY available." >&2; exit 1' }),
      },
      {
        what: 'the user may transfer files alone',
        fails: () => session({ config: ['ForceCommand internal-sftp'] }),
      },
      { what: 'a forced command refuses', fails: () => session({ forcedCommand: '/bin/false' }) },
      {
        what: 'a forced command, or a start-up file, swallows it',
        fails: () => session({ forcedCommand: 'cat >/dev/null' }, 1_000),
      },
      {
        what: 'the home cannot be written',
        fails: () => session({ home: path.join(file('plain', ''), 'home') }),
      },
    ],
  };
}
