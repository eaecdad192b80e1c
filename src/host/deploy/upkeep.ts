import { readdirSync, readFileSync, statSync } from 'node:fs';
import { homedir, userInfo } from 'node:os';
import { dirname, join } from 'node:path';
import type { Context } from '../context.ts';
import type { Pm2Install } from '../pm2/find.ts';
import { ALL_OF_IT, run } from '../system/command.ts';
import { escaped } from '../system/escaped.ts';
import { exists } from '../system/paths.ts';

/** What a server's settings say of PM2. */
export interface Machine {
  /** `/etc`. */
  etc: string;
  user: string;
  home: string;
  pm2Home: string;
  /** What `crontab -l` prints; empty if there is none. */
  crontab: string;
}

/** Longer files are no settings. */
const LONGEST = 64 * 1024;

/** What a server needs once, beside deploys: somebody to start PM2 after a reboot, and to keep its logs small. */
export async function upkeepOf({ plan, pm2, env }: Context): Promise<string[]> {
  // In a container pm2-runtime starts it, and the engine keeps the logs.
  if (plan.container !== null) return [];
  const user = userInfo().username;
  const machine = {
    etc: '/etc',
    user,
    home: homedir(),
    pm2Home: pm2.home,
    crontab: await crontabOf(env),
  };
  // A check on a server without PM2 does not know yet where it will be.
  const starts = !plan.save || startsAtBoot(machine) || pm2.install.bin === '';
  const command = startupCommand(machine, pm2.install, process.execPath, process.geteuid?.() === 0);
  return [
    ...(starts ? [] : [`Nothing starts PM2 after a reboot yet. Run this once on the server: ${command}`]),
    rotationOf(machine) ??
      "Nothing rotates PM2's logs. Run this once on the server: pm2 install pm2-logrotate",
  ];
}

/** Whether something that runs at boot names PM2 and this user: a service, an init script, or a line of cron. */
export function startsAtBoot({ etc, user, home, crontab }: Machine): boolean {
  const own = textsIn(join(home, '.config/systemd/user'), /\.service$/);
  const services = textsIn(join(etc, 'systemd/system'), /\.service$/);
  const scripts = [...textsIn(join(etc, 'init.d'), /^pm2/), ...textsIn(etc, /^(crontab|rc\.local)$/)];
  const named = new RegExp(`(^|[^\\w-])${escaped(user)}([^\\w-]|$)`, 'm');
  return (
    [crontab, ...own].some((text) => /\bpm2\b/.test(text)) ||
    [...services, ...scripts].some(
      (text) => /\bpm2\b/i.test(text) && (named.test(text) || (user === 'root' && !/^User=/m.test(text))),
    )
  );
}

/** What rotates PM2's logs, as a sentence; null if nothing does. */
export function rotationOf({ etc, pm2Home }: Machine): string | null {
  if (exists(join(pm2Home, 'modules/pm2-logrotate'))) return "pm2-logrotate rotates PM2's logs.";
  const rules = textsIn(join(etc, 'logrotate.d'), /./);
  return rules.some((text) => text.includes('.pm2') || text.includes(pm2Home))
    ? "logrotate rotates PM2's logs."
    : null;
}

/** The line that `pm2 startup` tells a user to run. PM2 finds the init system by itself. */
export function startupCommand(
  { user, home, pm2Home }: Machine,
  { bin }: Pm2Install,
  node: string,
  isRoot: boolean,
): string {
  const env = ['env', `PATH=$PATH:${dirname(node)}`];
  // With --hp, PM2 takes the .pm2 of that home.
  const where =
    pm2Home === join(home, '.pm2')
      ? { variables: [], options: ['--hp', home] }
      : { variables: [`PM2_HOME=${pm2Home}`], options: [] };
  return [
    ...(isRoot ? [] : ['sudo']),
    ...env,
    ...where.variables,
    bin,
    'startup',
    '-u',
    user,
    ...where.options,
  ].join(' ');
}

/** The texts of the files in a directory whose names match; none if it cannot be read. */
function textsIn(directory: string, name: RegExp): string[] {
  try {
    return readdirSync(directory)
      .filter((entry) => name.test(entry))
      .flatMap((entry) => textOf(join(directory, entry)));
  } catch {
    return [];
  }
}

function textOf(file: string): string[] {
  try {
    const stat = statSync(file);
    return stat.isFile() && stat.size <= LONGEST ? [readFileSync(file, 'utf8')] : [];
  } catch {
    return [];
  }
}

async function crontabOf(env: NodeJS.ProcessEnv): Promise<string> {
  try {
    return (await run('crontab', ['-l'], { cwd: '/', env, timeLimit: 5_000, keep: ALL_OF_IT })).stdout;
  } catch {
    // Without the command there is no cron.
    return '';
  }
}
