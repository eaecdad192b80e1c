import { type ChildProcess, execFileSync, spawn } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir, userInfo } from 'node:os';
import { join } from 'node:path';
import { freePort } from './free-port.ts';

export interface SshdOptions {
  /** The login's home: where each session starts. */
  home: string;
  /** Further environment of every session; `PATH` here replaces sshd's own. */
  env?: Record<string, string>;
  /** Runs instead of whatever the client asks for, as `ForceCommand` does. */
  forcedCommand?: string;
  /** What stands before the key in authorized_keys; with a `command=` in it, that command runs. */
  authorizedKeyOptions?: string;
  /** Lines of sshd_config; they come first, and so win. */
  config?: string[];
  /** The address to listen at; default 127.0.0.1. All of 127.0.0.0/8 and ::1 are this machine. */
  listen?: string;
  /** The port to listen at; default: a free one. */
  port?: number;
  /** What starts sshd, such as a command that enters a namespace. It gets `env` as well. */
  within?: readonly string[];
  /** A further line of authorized_keys, such as another host's `publicKey`. */
  alsoTakes?: string;
  /** Reads its start-up files and runs the client's command, as sshd would start it. Default: /bin/bash. */
  loginShell?: string;
  /** A file that stands for /etc/shadow, so that there is a password to log in with; for root alone. */
  shadow?: string;
}

export interface SshHost {
  host: string;
  port: number;
  username: string;
  home: string;
  /** One line of known_hosts. */
  knownHosts: string;
  /** `SHA256:…` of the host key. */
  fingerprint: string;
  /** The client's private key, in OpenSSH's format. */
  key: string;
  /** Its public half, as a line of authorized_keys. */
  publicKey: string;
  /** All that sshd has logged since it was started, at VERBOSE; DEBUG1 says more, and prints into the session's stderr. */
  log(): string;
  /** Ends sshd and every session that it still has. `restart` starts it again, with the same port and keys. */
  halt(): Promise<void>;
  restart(): Promise<void>;
  /** Ends sshd and every session that it still has. */
  stop(): Promise<void>;
}

const LISTENS_WITHIN = 30_000;

/** Starts a real OpenSSH server on a free loopback port, as root or as an ordinary user, who then logs in as himself. */
export async function startSshd(options: SshdOptions): Promise<SshHost> {
  const sshd = findSshd();
  if (process.getuid?.() === 0) mkdirSync('/run/sshd', { recursive: true, mode: 0o755 });
  const directory = mkdtempSync(join(tmpdir(), 'sshd-'));
  const file = (name: string): string => join(directory, name);
  for (const name of ['host_key', 'client_key']) {
    execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file(name)]);
  }
  const publicKey = readFileSync(file('client_key.pub'), 'utf8').trim();
  const authorized = `${options.authorizedKeyOptions ?? ''} ${publicKey}\n${options.alsoTakes ?? ''}\n`;
  writeFileSync(file('authorized_keys'), authorized.trimStart(), { mode: 0o600 });
  const host = options.listen ?? '127.0.0.1';
  mkdirSync(file('empty'));
  writeFileSync(file('login'), loginScript(options), { mode: 0o755 });

  const command = [
    ...shadowed(options.shadow),
    ...(options.within ?? []),
    sshd,
    '-D',
    '-e',
    '-f',
    file('config'),
  ];
  const env = options.within === undefined ? {} : options.env;

  for (let attempt = 1; ; attempt += 1) {
    const port = options.port ?? (await freePort());
    writeFileSync(file('config'), configText(options, directory, listenAddress(host, port)));
    let server = new Server(command, env);
    if (!(await server.listens(`${host} port ${port}`))) {
      await server.stop();
      if (attempt < 5 && server.log.includes('Address already in use')) continue;
      throw new Error(`sshd does not listen on port ${port}:\n${server.log}`);
    }
    const [type, blob] = readFileSync(file('host_key.pub'), 'utf8').split(' ');
    const listed = execFileSync('ssh-keygen', ['-lf', file('host_key.pub')], { encoding: 'utf8' });
    return {
      host,
      port,
      username: userInfo().username,
      home: options.home,
      knownHosts: `${port === 22 ? host : `[${host}]:${port}`} ${type} ${blob?.trim()}`,
      fingerprint: listed.split(' ')[1] ?? '',
      key: readFileSync(file('client_key'), 'utf8'),
      publicKey,
      log: () => server.log,
      halt: () => server.stop(),
      restart: async () => {
        server = new Server(command, env);
        if (!(await server.listens(`${host} port ${port}`)))
          throw new Error(`sshd does not listen again on port ${port}:\n${server.log}`);
      },
      stop: async () => {
        await server.stop();
        rmSync(directory, { recursive: true, force: true });
      },
    };
  }
}

/** The path of OpenSSH's server. Throws an Error where there is none. */
export function findSshd(): string {
  const directories = [...(process.env.PATH ?? '').split(':'), '/usr/sbin', '/usr/local/sbin'];
  const found = directories.map((directory) => join(directory, 'sshd')).find((path) => existsSync(path));
  if (found === undefined) {
    throw new Error("OpenSSH's sshd is needed for this test: install Debian's openssh-server or its like.");
  }
  return found;
}

function listenAddress(host: string, port: number): string {
  return `${host.includes(':') ? `[${host}]` : host}:${port}`;
}

/** A mount namespace of its own: nothing but this sshd sees the other file. */
function shadowed(shadow: string | undefined): string[] {
  if (shadow === undefined) return [];
  return ['unshare', '-m', 'sh', '-c', 'mount --bind "$0" /etc/shadow && exec "$@"', shadow];
}

function configText(options: SshdOptions, directory: string, address: string): string {
  const file = (name: string): string => join(directory, name);
  const commandInKey = /(^|,)command=/i.test(options.authorizedKeyOptions ?? '');
  // sshd runs a forced command by the account's own shell: an empty home keeps that one from start-up files, which
  // are for the login shell that the script starts.
  const env = { ...options.env, HOME: commandInKey ? options.home : file('empty') };
  return [
    ...(options.config ?? []),
    `ListenAddress ${address}`,
    `HostKey ${file('host_key')}`,
    `AuthorizedKeysFile ${file('authorized_keys')}`,
    `SetEnv ${Object.entries(env)
      .map(([name, value]) => `"${name}=${value}"`)
      .join(' ')}`,
    ...(commandInKey ? [] : [`ForceCommand ${file('login')}`]),
    'PidFile none',
    'PermitRootLogin yes',
    'PasswordAuthentication no',
    'KbdInteractiveAuthentication no',
    'StrictModes no',
    'UsePAM no',
    'UseDNS no',
    'PrintMotd no',
    // The one keyword of which the last line wins.
    ...(options.config?.some((line) => /^MaxStartups\b/.test(line)) ? [] : ['MaxStartups 100:30:200']),
    'MaxSessions 100',
    'LogLevel VERBOSE',
    'Subsystem sftp internal-sftp',
    '',
  ].join('\n');
}

/**
 * What sshd does for an account with this home and shell. Bash reads .bashrc here, as under sshd: it finds
 * SSH_CLIENT in its environment and believes that it is the outermost shell.
 */
function loginScript({ home, forcedCommand, loginShell = '/bin/bash' }: SshdOptions): string {
  return [
    '#!/bin/sh',
    'unset SHLVL OLDPWD PWD',
    `export HOME=${quoted(home)} SHELL=${quoted(loginShell)}`,
    'cd "$HOME" || { echo "Could not chdir to home directory $HOME" >&2; cd /; }',
    `exec "$SHELL" -c ${forcedCommand === undefined ? '"$SSH_ORIGINAL_COMMAND"' : quoted(forcedCommand)}`,
    '',
  ].join('\n');
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", "'\\''")}'`;
}

class Server {
  log = '';
  readonly #process: ChildProcess;
  readonly #ended: Promise<void>;
  readonly #killNow = (): void => {
    this.#process.kill('SIGKILL');
  };

  constructor([program = '', ...args]: readonly string[], env: Record<string, string> | undefined) {
    this.#process = spawn(program, args, {
      stdio: ['ignore', 'ignore', 'pipe'],
      env: { ...process.env, ...env },
    });
    this.#process.stderr?.on('data', (chunk: Buffer) => {
      this.log += chunk.toString('utf8');
    });
    this.#ended = new Promise((resolve) => {
      this.#process.once('exit', () => resolve());
      this.#process.once('error', (error) => {
        this.log += String(error);
        resolve();
      });
    });
    process.once('exit', this.#killNow);
  }

  async listens(where: string): Promise<boolean> {
    const deadline = Date.now() + LISTENS_WITHIN;
    while (Date.now() < deadline && this.#process.exitCode === null && this.#process.pid !== undefined) {
      if (this.log.includes(`Server listening on ${where}.`)) return true;
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    return false;
  }

  async stop(): Promise<void> {
    process.off('exit', this.#killNow);
    const { pid } = this.#process;
    // Held, so that no session begins while they are counted.
    this.#process.kill('SIGSTOP');
    const sessions = pid === undefined ? [] : descendants(pid);
    this.#process.kill('SIGKILL');
    await this.#ended;
    for (const session of sessions) {
      try {
        process.kill(session, 'SIGKILL');
      } catch {
        // It has ended meanwhile.
      }
    }
  }
}

/** Every process below `pid`; what was detached from its session, and has another parent by now, is not among them. */
function descendants(pid: number): number[] {
  const children = new Map<number, number[]>();
  for (const entry of readdirSync('/proc')) {
    if (!/^\d+$/.test(entry)) continue;
    try {
      const stat = readFileSync(`/proc/${entry}/stat`, 'utf8');
      const parent = Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[1]);
      children.set(parent, [...(children.get(parent) ?? []), Number(entry)]);
    } catch {
      // It has ended meanwhile.
    }
  }
  const below = (parent: number): number[] =>
    (children.get(parent) ?? []).flatMap((child) => [child, ...below(child)]);
  return below(pid);
}
