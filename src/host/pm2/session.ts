import { isAbsolute, join } from 'node:path';
import { DeployFailure } from '../system/failure.ts';
import { descriptorsOf, type HeldLocks } from '../system/lock.ts';
import { requireTrustworthy } from '../system/private-directory.ts';
import { hearLives, type LifeStream } from './bus.ts';
import { type Reload, type ReloadOptions, startOrReload } from './cli.ts';
import { daemonPid, daemonStart } from './daemon.ts';
import { saveApps } from './dump.ts';
import { findPm2, type Pm2Install } from './find.ts';
import { type Instance, listInstances } from './list.ts';
import { hearPace, type Pace } from './pace.ts';
import { removeInstances } from './remove.ts';
import { openRpc, type Rpc } from './rpc.ts';
import { prepareTwin } from './twin.ts';

/** The user's PM2 during one deploy: its CLI where it must act, its daemon's own socket where it is asked. */
export interface Pm2 {
  readonly install: Pm2Install;
  /** PM2_HOME. */
  readonly home: string;
  /** The environment that PM2, and so the apps, are given. */
  readonly env: NodeJS.ProcessEnv;
  /** The daemon's version where one runs and it is not the CLI's, else null. */
  readonly otherDaemon: string | null;
  /** The version of the daemon's Node where one runs and it is not the Node that runs this, else null. */
  readonly otherNode: string | null;
  /** Empty where no daemon runs; none is started for it. */
  list(): Promise<Instance[]>;
  daemonPid(): number | null;
  startOrReload(
    what: Pick<ReloadOptions, 'apps' | 'removed' | 'pm2Env' | 'only'>,
    running: readonly Instance[],
    onLine: (line: string) => void,
  ): Reload;
  remove(instances: readonly Instance[]): Promise<void>;
  /** Starts one more instance like this one, and resolves when PM2 takes it for started. `timeLimit` is in milliseconds. */
  duplicate(instance: Instance, timeLimit: number): Promise<void>;
  /** Lists an instance like this one beside it, stopped, which the deploy `deployId` is to start. Gives its id. */
  prepareTwin(instance: Instance, deployId: string): Promise<number>;
  /** Ends PM2's watching of an instance's files, which goes on through every reload. */
  unwatch(instance: Instance): Promise<void>;
  /** The processes of these apps from now on, with what they print to their error streams. */
  hearLives(names: readonly string[]): LifeStream;
  /** How PM2 replaces instances from now on. */
  hearPace(): Pace;
  /** Updates PM2's dump for these apps alone. */
  save(names: readonly string[]): Promise<void>;
}

interface Options {
  /** From `pm2Environment`. */
  env: NodeJS.ProcessEnv;
  home: string;
  workDir: string;
  /** Private; the config is there while PM2 reads it. */
  configDir: string;
  /** PM2's CLI keeps these held as long as it lives. */
  locks: HeldLocks;
  /** Gives what `find` finds, or provides a PM2 if there is none. */
  provide(find: () => Pm2Install): Promise<Pm2Install>;
}

/** Milliseconds that the daemon has for an answer. */
const ANSWERS_WITHIN = 10_000;

/** PM2_HOME in this environment, or where PM2 has it otherwise. */
export function pm2HomeOf(env: NodeJS.ProcessEnv, home: string): string {
  return env.PM2_HOME && isAbsolute(env.PM2_HOME) ? env.PM2_HOME : join(home, '.pm2');
}

/** Finds PM2 and its daemon, and starts nothing. */
export async function openPm2({ env, home, workDir, configDir, locks, provide }: Options): Promise<Pm2> {
  const pm2Home = pm2HomeOf(env, home);
  requireTrustworthy(pm2Home, 'PM2_HOME');
  let rpc = await openRpc(pm2Home, ANSWERS_WITHIN);
  const daemon = rpc === null ? null : await daemonStart(rpc, ANSWERS_WITHIN);
  const surroundings = { env, execPath: process.execPath, home, workDir, daemon: daemon?.script ?? null };
  const install = await provide(() => findPm2(surroundings));
  const daemonNode = daemon?.node ?? null;
  // A daemon that PM2's own command started is there from then on.
  const connection = async (): Promise<Rpc | null> => {
    rpc ??= await openRpc(pm2Home, ANSWERS_WITHIN);
    return rpc;
  };
  return {
    install,
    home: pm2Home,
    env,
    otherDaemon: rpc !== null && rpc.version !== install.version ? rpc.version : null,
    otherNode: daemonNode !== process.version ? daemonNode : null,
    async list() {
      const open = await connection();
      if (open === null) return [];
      try {
        return await listInstances(open, ANSWERS_WITHIN);
      } catch (error) {
        // A connection that failed stays so; the daemon may be another one by the next call.
        open.close();
        rpc = null;
        throw error;
      }
    },
    daemonPid: () => daemonPid(pm2Home),
    startOrReload(what, running, onLine) {
      return startOrReload({
        pm2: install,
        node: process.execPath,
        ...what,
        running,
        pm2Home,
        env,
        dir: configDir,
        cwd: home,
        onLine,
        holds: descriptorsOf(locks),
      });
    },
    hearLives: (names) => hearLives(pm2Home, names),
    hearPace: () => hearPace(pm2Home),
    async remove(instances) {
      const open = await connection();
      if (open !== null) await removeInstances(open, instances);
    },
    async duplicate({ pmId }, timeLimit) {
      const open = await connection();
      if (open === null) throw new DeployFailure("PM2's daemon is gone, so no instance can be added.");
      await open.call('duplicateProcessId', [pmId], timeLimit);
    },
    async prepareTwin(instance, deployId) {
      const open = await connection();
      if (open === null) throw new DeployFailure("PM2's daemon is gone, so no instance can be added.");
      return prepareTwin(open, instance, deployId, ANSWERS_WITHIN);
    },
    async unwatch({ pmId }) {
      const open = await connection();
      if (open !== null) await open.call('stopWatch', ['stopProcessId', pmId], ANSWERS_WITHIN);
    },
    async save(names) {
      const open = await connection();
      if (open !== null) await saveApps(open, pm2Home, names, ANSWERS_WITHIN);
    },
  };
}
