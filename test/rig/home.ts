import { execFile } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { killAllOf } from './leftovers.ts';

/** What `pm2 jlist` says of one instance, in the fields that tests compare; the rest may hold secrets. */
export interface Instance {
  name: string;
  pmId: number;
  pid: number;
  status: string;
  restarts: number;
  cwd: string;
}

/** A login's home with a Node and a PM2 of its own, without any way in yet. */
export interface Home {
  /** A real path, short enough for PM2's sockets. */
  directory: string;
  pm2Home: string;
  /** What a session there gets: PATH, HOME, PM2_HOME and PM2's way of starting quietly. */
  env: Record<string, string>;
  /** Runs PM2's command, in the home or in `cwd`, and returns its stdout; rejects where it fails. */
  pm2(args: readonly string[], cwd?: string): Promise<string>;
  /** Instances of `app`, or of all apps, by pm_id. Starts no daemon: without one the answer is empty. */
  instances(app?: string): Promise<Instance[]>;
  /** All that PM2 says of the instances of `app`, or of all apps, by pm_id: secrets too. */
  entries(app?: string): Promise<Record<string, unknown>[]>;
  /** Pids of the app's instances, by pm_id. */
  pids(app?: string): Promise<number[]>;
  /** Ends everything that was ever started there, then removes it. */
  remove(): Promise<void>;
}

/**
 * Makes a home, in `parent`, whose `node` and `pm2` are the given files; npm is the machine's own. With no PM2 it has a Node
 * of its own, as a version manager puts it there: npm installs beside that.
 */
export function createHome(node: string, pm2Bin: string | null, parent: string = os.tmpdir()): Home {
  const directory = realpathSync(mkdtempSync(path.join(parent, 'h-')));
  const pm2Home = path.join(directory, '.pm2');
  const bin = path.join(directory, 'bin');
  mkdirSync(bin);
  if (pm2Bin === null) copyFileSync(node, path.join(bin, 'node'));
  else {
    symlinkSync(realpathSync(node), path.join(bin, 'node'));
    symlinkSync(realpathSync(pm2Bin), path.join(bin, 'pm2'));
    mkdirSync(pm2Home);
    // Without this mark PM2 greets a new user and asks its maker's server for a newer version: 10 s without a network.
    writeFileSync(path.join(pm2Home, 'touch'), '');
  }
  const npm = findNpm();
  if (npm !== null) symlinkSync(npm, path.join(bin, 'npm'));
  writeFileSync(path.join(directory, '.npmrc'), 'update-notifier=false\naudit=false\nfund=false\n');
  const env = {
    HOME: directory,
    PM2_HOME: pm2Home,
    PM2_DISCRETE_MODE: 'true',
    PATH: `${bin}:/usr/local/bin:/usr/bin:/bin`,
    LANG: 'C.UTF-8',
  };
  const pm2: Home['pm2'] = async (args, cwd = directory) => {
    const file = path.join(bin, 'pm2');
    const { stdout } = await promisify(execFile)(file, args, {
      cwd,
      env,
      timeout: 60_000,
      maxBuffer: 2 ** 26,
    });
    return stdout;
  };
  const list = async (app?: string): Promise<Listed[]> => {
    if (!existsSync(path.join(pm2Home, 'rpc.sock'))) return [];
    const listed = JSON.parse(await pm2(['-s', 'jlist'])) as Listed[];
    return listed.filter((one) => app === undefined || one.name === app).sort((a, b) => a.pm_id - b.pm_id);
  };
  const instances: Home['instances'] = async (app) =>
    (await list(app)).map((one) => ({
      name: one.name,
      pmId: one.pm_id,
      pid: one.pid,
      status: one.pm2_env.status,
      restarts: one.pm2_env.restart_time,
      cwd: one.pm2_env.pm_cwd,
    }));
  return {
    directory,
    pm2Home,
    env,
    pm2,
    instances,
    entries: async (app) => (await list(app)).map((one) => one.pm2_env),
    pids: async (app) => (await instances(app)).map((one) => one.pid),
    async remove() {
      // Where there is no /proc to find what else was started, PM2 is asked to end its own.
      if (!existsSync('/proc/self')) await pm2(['kill']).catch(() => {});
      await killAllOf(directory);
      rmSync(directory, { recursive: true, force: true });
    },
  };
}

interface Listed {
  name: string;
  pm_id: number;
  pid: number;
  pm2_env: { [field: string]: unknown; status: string; restart_time: number; pm_cwd: string };
}

/** The machine's npm, by its real file: a link to npm's own link would miss its library. */
function findNpm(): string | null {
  const search = (process.env.PATH ?? '').split(':').filter((entry) => !entry.includes('node_modules'));
  const found = search.map((entry) => path.join(entry, 'npm')).find((file) => existsSync(file));
  return found === undefined ? null : realpathSync(found);
}

/**
 * One line for each path that lies in `directory`: its name, its mode, and a digest of what a file holds or a link names.
 * `except` leaves out entries by their path relative to `directory`, such as `.git` or `logs/out.log`.
 */
export function listing(directory: string, options: { except?: readonly string[] } = {}): string[] {
  const lines: string[] = [];
  const visit = (relative: string): void => {
    if (options.except?.includes(relative)) return;
    const file = path.join(directory, relative);
    const stat = lstatSync(file);
    const content = stat.isSymbolicLink() ? readlinkSync(file) : stat.isFile() ? readFileSync(file) : '';
    lines.push(`${relative} ${stat.mode.toString(8)} ${digest(content)}`);
    if (stat.isDirectory()) for (const name of readdirSync(file).sort()) visit(path.join(relative, name));
  };
  visit('');
  return lines;
}

/** One digest over that listing. */
export function checksum(directory: string, options: { except?: readonly string[] } = {}): string {
  return digest(listing(directory, options).join('\0'));
}

const digest = (content: string | Buffer): string => createHash('sha256').update(content).digest('hex');
