import { execFile, execFileSync, spawnSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync, statSync } from 'node:fs';
import http from 'node:http';
import os from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { orphansOf } from '../../src/host/health/verify.ts';
import { loadCurrent } from '../../src/host/state/current.ts';
import { loadReplaced } from '../../src/host/state/replaced.ts';
import { childrenOf } from '../../src/host/system/processes.ts';
import type { Event } from '../../src/protocol.ts';
import { checksum } from '../rig/home.ts';
import { ofProcess, processesOf } from '../rig/leftovers.ts';
import type { Site } from '../rig/site.ts';
import type { FaultSite } from './site.ts';

/** Requests over new connections, enough to meet every instance. */
const ASKED = 12;

const stateRoot = ({ host }: Site): string => path.join(host.directory, '.local/state/pm2-ssh-deploy');

/** Ids of the deploys that were ever begun there. */
export function runsOf(site: Site): string[] {
  const runs = path.join(stateRoot(site), 'runs');
  return existsSync(runs) ? readdirSync(runs) : [];
}

export function runFile(site: Site, run: string, name: string): string {
  return path.join(stateRoot(site), 'runs', run, name);
}

export function eventsOf(site: Site, run: string): Event[] {
  const file = runFile(site, run, 'events.ndjson');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  return text.split('\n').flatMap((line) => {
    try {
      return [JSON.parse(line) as Event];
    } catch {
      return [];
    }
  });
}

/** The state directory of the app. */
function stateOf(site: Site): string | null {
  const root = stateRoot(site);
  const name = existsSync(root) ? readdirSync(root).find((one) => one.startsWith('shop-')) : undefined;
  return name === undefined ? null : path.join(root, name);
}

/** The file that says who holds the lock of the app. */
export function holderNote(site: Site): string | null {
  const state = stateOf(site);
  const file = state === null ? null : path.join(state, 'holder.json');
  return file !== null && existsSync(file) ? file : null;
}

export function commandOf(pid: number): string {
  return ofProcess(pid, 'cmdline').replaceAll('\0', ' ').trim();
}

/** The pid of PM2's daemon, or 0. */
export function daemonOf({ host }: Site): number {
  const file = path.join(host.pm2Home, 'pm2.pid');
  const pid = existsSync(file) ? Number(readFileSync(file, 'utf8')) : 0;
  return commandOf(pid).includes('God Daemon') ? pid : 0;
}

/** How many instances PM2 has started so far: canaries for a moment in one, else the app's own. */
export function startsOf({ host }: Site, hold: string): number {
  const file = path.join(host.pm2Home, 'pm2.log');
  const text = existsSync(file) ? readFileSync(file, 'utf8') : '';
  const started = hold.startsWith('canary')
    ? /App \[shop-canary-[^\]]*\] starting/g
    : /App \[shop:\d+\] starting/g;
  return text.match(started)?.length ?? 0;
}

/** Host programs that run. A child of one bears its name until it has become the command that it was forked for. */
export function programsOf({ host }: Site): number[] {
  return processesOf(host.directory).filter((pid) => commandOf(pid).startsWith('pm2-ssh-deploy'));
}

/** All that runs there but PM2's daemon and its children. */
export function othersOf(site: Site): string[] {
  const all = processesOf(site.host.directory);
  const daemon = daemonOf(site);
  // Asked last: the daemon starts commands of its own, which end soon.
  const known = daemon === 0 ? [] : [daemon, ...childrenOf(daemon)];
  return all
    .filter((pid) => !known.includes(pid))
    .map(commandOf)
    .filter((command) => command !== '');
}

/** Versions that answer now, sorted; an answer that fails counts as `none`. */
export async function versionsServed({ port }: Site): Promise<string[]> {
  const answers = await Promise.all(Array.from({ length: ASKED }, () => askVersion(port)));
  return [...new Set(answers)].sort();
}

function askVersion(port: number): Promise<string> {
  return new Promise((resolve) => {
    const options = { port, path: '/version', host: '127.0.0.1', agent: false, timeout: 5_000 };
    const request = http.get(options, (response) => {
      let body = '';
      response.setEncoding('utf8').on('data', (text: string) => {
        body += text;
      });
      response.once('end', () => resolve(response.statusCode === 200 ? body : 'none'));
      response.once('error', () => resolve('none'));
    });
    request.once('timeout', () => request.destroy());
    request.once('error', () => resolve('none'));
  });
}

/** A digest of the version that is live, without git's own and without the app's own files. */
export function liveSum({ tree, own }: FaultSite): string {
  const names = Object.keys(own).map((name) => name.split('/')[0] ?? '');
  return checksum(realpathSync(tree), { except: ['.git', ...names] });
}

/** The same digest of a fresh build of a commit, elsewhere. */
export async function buildSum({ repository }: Site, sha: string): Promise<string> {
  const directory = mkdtempSync(path.join(os.tmpdir(), 'fresh-'));
  const tree = path.join(directory, 'tree');
  const run = promisify(execFile);
  try {
    await run('git', ['clone', '--quiet', '--no-checkout', repository.path, tree]);
    await run('git', ['-C', tree, 'checkout', '--quiet', '--detach', sha]);
    await run(process.execPath, ['build.js'], { cwd: tree });
    return checksum(tree, { except: ['.git'] });
  } finally {
    rmSync(directory, { recursive: true });
  }
}

/** What is wrong on a server on which nothing is going on, after a green deploy of `sha` as `version`. */
export async function complaints(faultSite: FaultSite, version: string, sha: string): Promise<string[]> {
  const found: string[] = [];
  const { site, tree, instances: count } = faultSite;
  const { host, live } = site;
  const say = (condition: boolean, text: string): void => {
    if (!condition) found.push(text);
  };
  const served = await versionsServed(site);
  say(served.join() === version, `${served.join(' and ')} serve, not ${version}`);
  say(liveSum(faultSite) === (await buildSum(site, sha)), 'the files are not those of a fresh build');
  for (const [name, text] of Object.entries(faultSite.own)) {
    const file = path.join(tree, name);
    say(existsSync(file) && readFileSync(file, 'utf8') === text, `${name}, the app's own, has changed`);
  }
  const head = execFileSync('git', ['-C', live, 'rev-parse', 'HEAD'], { encoding: 'utf8' }).trim();
  say(head === sha, `HEAD is ${head}`);
  // Links to what the app wrote are not ignored as its directories are.
  const status = execFileSync('git', ['-C', tree, 'status', '--porcelain', '--', '.', ':!own-*'], {
    encoding: 'utf8',
  });
  say(status === '', `git sees changes: ${status}`);

  const instances = await host.instances();
  const listed = instances.map(({ name, status }) => `${name} ${status}`).join(', ');
  const expected = Array(count).fill('shop online').join(', ');
  say(listed === expected, `PM2 lists: ${listed}`);
  const orphans = orphansOf({ daemonPid: () => daemonOf(site) || null }, instances);
  const running = instances.filter(({ pid }) => pid > 0);
  const astray = running.map(({ pid }) => realpathSync(`/proc/${pid}/cwd`));
  say(
    astray.every((directory) => directory === realpathSync(tree)),
    `instances stand in ${astray.join(' and ')}`,
  );
  say(orphans.length === 0, `workers that PM2 does not list: ${orphans.map(commandOf).join(', ')}`);
  say(othersOf(site).length === 0, `still runs: ${othersOf(site).join(' | ')}`);
  say(spawnSync('flock', ['-n', live, 'true']).status === 0, 'the lock is held');
  say(holderNote(site) === null, 'the holder of the lock is still named');
  found.push(...dumpComplaints(host.pm2Home, expected), ...leftovers(site));
  return found;
}

function dumpComplaints(pm2Home: string, expected: string): string[] {
  const file = path.join(pm2Home, 'dump.pm2');
  if (!existsSync(file)) return ["PM2's dump is gone"];
  const mode = (statSync(file).mode & 0o777).toString(8);
  const apps = (JSON.parse(readFileSync(file, 'utf8')) as { name: string; status: string }[]).map(
    ({ name, status }) => `${name} ${status}`,
  );
  return [
    ...(mode === '600' ? [] : [`PM2's dump has mode ${mode}`]),
    ...(apps.join(', ') === expected ? [] : [`PM2's dump has: ${apps.join(', ')}`]),
  ];
}

/** The deploys whose directories beside the app hold a version that can be gone back to. */
function versionsToGoBackTo(site: Site): string[] {
  const state = stateOf(site);
  if (state === null) return [];
  const current = loadCurrent(state);
  return [...(current === null ? [] : [current]), ...loadReplaced(state)].map(({ deployId }) => deployId);
}

function releasesOf({ live }: Site): string[] {
  const releases = path.join(live, 'releases');
  return existsSync(releases) ? readdirSync(releases) : [];
}

/** The version that is live, and those before it. */
function releasesToGoBackTo(site: Site): string[] {
  const state = stateOf(site);
  const earlier = state === null ? [] : loadReplaced(state);
  const current = path.basename(realpathSync(path.join(site.live, 'current')));
  return [current, ...earlier.flatMap(({ files }) => (files.layout === 'releases' ? [files.release] : []))];
}

/** Files of ours that no deploy needs any more. */
function leftovers(site: Site): string[] {
  const beside = path.join(site.host.directory, '.shop.pm2-ssh-deploy');
  const there = existsSync(beside) ? readdirSync(beside) : [];
  const needless = there.filter((name) => !versionsToGoBackTo(site).includes(name));
  const releases = releasesOf(site).filter((name) => !releasesToGoBackTo(site).includes(name));
  const scratch = runsOf(site).flatMap((run) =>
    readdirSync(runFile(site, run, '.'))
      .filter((name) => /^(canary-|reserve$|room$|pm2-ssh-deploy)/.test(name))
      .map((name) => `runs/${run}/${name}`),
  );
  return [
    ...(there.length > 0 ? [] : ['nothing lies beside path to go back to']),
    ...needless.map((name) => `beside path: ${name}`),
    ...releases.map((name) => `in releases: ${name}`),
    ...scratch.map((name) => `left: ${name}`),
  ];
}
