import { checksum, createHome, type Home } from './home.ts';
import { NEWEST, type Runtime } from './pm2.ts';
import { type SshdOptions, type SshHost, startSshd } from './sshd.ts';

/** A server as a user has it: a home with Node and PM2, and OpenSSH's sshd before it. */
export interface Host extends AsyncDisposable, Omit<Home, 'remove'> {
  ssh: SshHost;
  /** The inputs of the action that say how to reach this host. */
  access: { host: string; port: string; username: string; key: string; 'known-hosts': string };
  /** A digest of all below a directory; `except` names paths in it that are left out. */
  checksum: typeof checksum;
  /** Ends sshd, PM2's daemon, every app, and whatever else was started there, then removes the home. */
  stop(): Promise<void>;
}

export interface HostOptions {
  runtime?: Runtime;
  /** Leaves out PM2: the host has the runtime's Node, npm and git, and an empty home. */
  bare?: boolean;
  /** For sshd; `env` is added to the home's own. */
  sshd?: Omit<SshdOptions, 'home'>;
  /** The directory in which its home is made; default: the system's for temporary files. */
  parent?: string;
}

/** Starts a host. PM2's daemon does not run there yet. */
export async function createHost({
  runtime = NEWEST,
  bare = false,
  sshd = {},
  parent,
}: HostOptions = {}): Promise<Host> {
  const home = createHome(runtime.node, bare ? null : `${runtime.pm2Root}/bin/pm2`, parent);
  const ssh = await startSshd({ ...sshd, home: home.directory, env: { ...home.env, ...sshd.env } });
  const stop = async (): Promise<void> => {
    await ssh.stop();
    await home.remove();
  };
  return {
    ...home,
    ssh,
    access: {
      host: ssh.host,
      port: String(ssh.port),
      username: ssh.username,
      key: ssh.key,
      'known-hosts': ssh.knownHosts,
    },
    checksum,
    stop,
    [Symbol.asyncDispose]: stop,
  };
}
