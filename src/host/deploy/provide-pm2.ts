import type { Plan } from '../../protocol.ts';
import { inform } from '../context.ts';
import { type Pm2Install, Pm2Missing } from '../pm2/find.ts';
import { installPm2, isOfVersion } from '../pm2/install-pm2.ts';
import type { RunnerLine } from '../program/control.ts';
import type { EventLog } from '../program/events.ts';
import { DeployFailure } from '../system/failure.ts';
import { type HeldLocks, takeLock } from '../system/lock.ts';
import { makePrivate } from '../system/private-directory.ts';

export interface ProvideOptions {
  plan: Plan;
  log: EventLog;
  runner: RunnerLine;
  /** Of the project's commands. */
  env: NodeJS.ProcessEnv;
  home: string;
  /** Directories of all deploys on this host. */
  root: string;
  locks: HeldLocks;
}

/** What a check takes for PM2 if a deploy would install it. */
const NOT_YET = 'not there yet: the first deploy installs it with npm';

/**
 * The PM2 that `find` finds. A deploy that names a version installs it if there is none, and refuses another one: PM2 is
 * never replaced, because its update takes every app down.
 */
export async function providePm2(options: ProvideOptions, find: () => Pm2Install): Promise<Pm2Install> {
  const { mode, pm2Version: wanted } = options.plan;
  if (wanted === null || (mode !== 'deploy' && mode !== 'check')) return find();
  const found = unlessMissing(find);
  if (found !== null) return requireVersion(found, wanted);
  if (mode === 'check') return { bin: '', root: NOT_YET, version: wanted };
  return installOnce(options, wanted, find);
}

function unlessMissing(find: () => Pm2Install): Pm2Install | null {
  try {
    return find();
  } catch (error) {
    if (error instanceof Pm2Missing) return null;
    throw error;
  }
}

function requireVersion(install: Pm2Install, wanted: string): Pm2Install {
  if (isOfVersion(install.version, wanted)) return install;
  throw new DeployFailure(
    `This host has PM2 ${install.version} (${install.root}), and pm2-version asks for ${wanted}. A deploy does not replace PM2: its update takes every app down for a moment.`,
    {
      remedy: `Set pm2-version to ${install.version.split('.')[0]}, or leave it out. To change PM2, run 'npm install --global pm2@${wanted}' and 'pm2 update' on the server when it suits.`,
    },
  );
}

/** Under a lock, since the first deploys of several apps may come at once. */
async function installOnce(
  options: ProvideOptions,
  wanted: string,
  find: () => Pm2Install,
): Promise<Pm2Install> {
  const { plan, log, runner, env, home, root, locks } = options;
  makePrivate(root);
  const files = {
    own: [`${root}/pm2-install-lock`],
    directory: root,
    note: `${root}/pm2-install.holder.json`,
  };
  const say = (text: string): void => inform(log, text);
  const wait = { timeLimit: plan.lockTimeout, cancel: runner.cancelled, onWait: say };
  const lock = await takeLock(locks, files, plan.run, wait);
  try {
    const found = unlessMissing(find);
    if (found !== null) return requireVersion(found, wanted);
    say(`PM2 is not on this host. Installing PM2 ${wanted} with npm (pm2-version).`);
    const prefix = await installPm2({
      wanted,
      env,
      home,
      timeLimit: plan.commandTimeout,
      cancel: runner.cancelled,
      onLine: (text) => log({ type: 'output', from: 'pm2', text }),
    });
    const install = find();
    say(
      `Installed PM2 ${install.version} in ${prefix}. In a shell of yours, ${prefix}/bin has to be on PATH for 'pm2'.`,
    );
    return install;
  } finally {
    lock.release();
  }
}
