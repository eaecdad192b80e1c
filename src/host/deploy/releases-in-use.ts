import { resolve } from 'node:path';
import type { Pm2Install } from '../pm2/find.ts';
import type { Instance } from '../pm2/list.ts';
import type { ReplacedRelease } from '../state/replaced.ts';
import { below } from '../system/paths.ts';
import {
  allPids,
  argumentsOf,
  bootId,
  directoryOf,
  environmentOf,
  filesOf,
  startTicks,
} from '../system/processes.ts';

/**
 * The names of those directories in `releases` that somebody needs: a live process, an app that PM2 may start again, or PM2 itself.
 * A process may have left its directory, and have no file of it open, and still load code from there.
 */
export function releasesInUse(
  top: string,
  { root }: Pick<Pm2Install, 'root'>,
  listed: readonly Instance[],
  replaced: readonly ReplacedRelease[],
): Set<string> {
  const needed = listed.flatMap(({ cwd, script, interpreter, args }) => [cwd, script, interpreter, ...args]);
  const used = new Set(namesAmong(belowTop(top, [root, ...needed], '/')));
  for (const pid of allPids()) {
    const named = belowTop(top, startedWith(pid), directoryOf(pid));
    const own = filesOf(pid)
      .filter((path) => path.startsWith(`${top}/`))
      .map((path) => path.slice(top.length + 1));
    const started = named.some((path) => /^current(\/|$)/.test(path)) ? startTicks(pid) : null;
    const through = started === null ? [] : liveAt(started, replaced);
    for (const name of [...namesAmong([...named, ...own]), ...through]) used.add(name);
  }
  return used;
}

/** The texts of a process that may be paths: the words of its command line, and the directory in which PM2 started it. */
function startedWith(pid: number): string[] {
  const words = argumentsOf(pid).flatMap((argument) => argument.split(/[\s=]/));
  const env = environmentOf(pid);
  return [...words, env.get('pm_cwd') ?? directoryOfWorker(env.get('pm2_env')) ?? ''];
}

/** PM2 gives the settings of a worker in cluster mode as JSON. */
function directoryOfWorker(settings: string | undefined): string | null {
  try {
    return String(JSON.parse(settings ?? '').pm_cwd);
  } catch {
    return null;
  }
}

/** Those of these texts that name something below `top`, relative to it. */
function belowTop(top: string, texts: readonly string[], from: string): string[] {
  // To look up each word of each process would take seconds.
  const paths = texts.filter((text) => /(^|\/)(releases|current)(\/|$)/.test(text));
  return paths.flatMap((path) => below(top, resolve(from, path)) ?? []);
}

function namesAmong(paths: readonly string[]): string[] {
  return paths.flatMap((path) => path.match(/^releases\/([^/]+)/)?.[1] ?? []);
}

/**
 * The version to which `current` led when a process started. Of versions that are gone nothing is known, so what was started
 * before all others counts for the oldest one.
 */
function liveAt(started: number, replaced: readonly ReplacedRelease[]): string[] {
  const boot = bootId();
  const known = replaced.flatMap(({ release, until }) => (until?.boot === boot ? [{ release, until }] : []));
  const later = known.filter(({ until }) => started <= until.ticks);
  const [first] = later.sort((a, b) => a.until.ticks - b.until.ticks);
  return first === undefined ? [] : [first.release];
}
