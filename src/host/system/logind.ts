import { existsSync, readFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { ALL_OF_IT, run } from './command.ts';
import { DeployFailure } from './failure.ts';

/** What decides whether systemd's logind ends a user's processes when the session ends. */
export interface Login {
  /** The text of /proc/self/cgroup, which names the session's scope if there is one. */
  cgroup: string;
  /** Name of the login. */
  user: string;
  /** Lingering keeps a user's processes, whatever logind would do. */
  lingers: boolean;
  /** What `loginctl show-session` without a session prints: the settings of logind itself. */
  settings: string;
}

/**
 * Whether this process, and a PM2 that it starts, would be killed with the SSH session. The defaults are logind.conf's:
 * KillUserProcesses=no in most distributions, and root is excluded.
 */
export function diesWithSession({ cgroup, user, lingers, settings }: Login): boolean {
  if (lingers || !isInSession(cgroup)) return false;
  const value = (name: string): string[] =>
    (new RegExp(`^${name}=(.*)$`, 'm').exec(settings)?.[1] ?? '').split(/\s+/).filter((word) => word !== '');
  if (value('KillUserProcesses')[0] !== 'yes') return false;
  const only = value('KillOnlyUsers');
  if (only.length > 0 && !only.includes(user)) return false;
  const excluded = value('KillExcludeUsers');
  return !(excluded.length > 0 ? excluded : ['root']).includes(user);
}

function isInSession(cgroup: string): boolean {
  return /\/session-[^/\s]+\.scope/.test(cgroup);
}

/** Refuses a host that would kill the deploy, and a PM2 that it starts, at logout: green, then down. */
export async function requireSurvival(env: NodeJS.ProcessEnv): Promise<void> {
  const cgroup = existsSync('/proc/self/cgroup') ? readFileSync('/proc/self/cgroup', 'utf8') : '';
  if (!isInSession(cgroup)) return;
  const { username: name } = userInfo();
  const lingers = existsSync(`/var/lib/systemd/linger/${name}`);
  const login: Login = { cgroup, user: name, lingers, settings: 'KillUserProcesses=yes' };
  // Most sessions are settled by what the files say: logind is asked only where it matters.
  if (!diesWithSession(login)) return;
  const settings = await askLogind(env);
  if (!diesWithSession({ ...login, settings })) return;
  throw new DeployFailure(
    `systemd on this host kills what ${name} left running when the session ends (KillUserProcesses=yes).`,
    {
      remedy: `Run 'sudo loginctl enable-linger ${name}' once on the server, and run the job again.`,
    },
  );
}

async function askLogind(env: NodeJS.ProcessEnv): Promise<string> {
  try {
    const options = { cwd: '/', env, timeLimit: 5_000, keep: ALL_OF_IT };
    return (await run('loginctl', ['show-session', '--no-pager'], options)).stdout;
  } catch {
    // Without loginctl there is no logind that could kill.
    return '';
  }
}
