import { uptime } from 'node:os';
import { basename, dirname } from 'node:path';
import type { Plan } from '../../protocol.ts';
import type { Pm2 } from '../pm2/session.ts';
import type { Places } from '../state/places.ts';
import { DeployFailure } from '../system/failure.ts';
import { type Keeper, keeperOf, type Mount } from '../system/mounts.ts';
import { realOrSame } from '../system/paths.ts';
import { allPids, argumentsOf, startTicks } from '../system/processes.ts';

type Container = NonNullable<Plan['container']>;

const WHERE: Record<Exclude<Keeper, 'volume'>, string> = {
  'nameless volume': 'on a volume without a name, and a new container gets another one',
  memory: 'in memory (tmpfs)',
  nothing: "in the container's own layer",
};

/**
 * Refuses a deploy into what is lost when the container is recreated, before anything is changed. Where the mounts are not known
 * nothing is refused.
 */
export function requireVolumes(
  { name, pathVolatile }: Container,
  { top, state }: Pick<Places, 'top' | 'state'>,
  mounts: readonly Mount[],
): void {
  if (pathVolatile === 'allow') return;
  // What is mounted is the parent of the directory that the host program makes for itself alone.
  const stateHome = realOrSame(dirname(dirname(state)));
  const places = [
    { what: `path (${top})`, volume: `${name}-app:${top}`, keeper: keeperOf(top, mounts) },
    {
      what: `The state of the deploys (${stateHome})`,
      volume: `${name}-state:${stateHome}`,
      keeper: keeperOf(stateHome, mounts),
    },
  ];
  const lost = places.flatMap(({ what, volume, keeper }) =>
    keeper === null || keeper === 'volume' ? [] : [{ what, volume, where: WHERE[keeper] }],
  );
  if (lost.length === 0) return;
  throw new DeployFailure(
    `${lost.map(({ what, where }) => `${what} is ${where}.`).join(' ')} It is lost when container '${name}' is recreated.`,
    {
      remedy: `Mount it and recreate the container: ${lost.map(({ volume }) => `-v ${volume}`).join(' ')}. In a compose file these stand under volumes. Or set container-path-volatile to allow.`,
    },
  );
}

/** Seconds from the container's start on within which pm2-runtime may still be starting its apps. */
const STARTS_WITHIN = 30;
const LOOK_EVERY = 1_000;

/**
 * Waits in a container that has just started until pm2-runtime has started its apps: meanwhile a deploy would start a second PM2, or
 * each app twice. That is how a deploy goes on when the container was restarted under it.
 */
export async function waitForRuntime({ daemonPid, list }: Pick<Pm2, 'daemonPid' | 'list'>): Promise<void> {
  let before = '';
  while (ageOfContainer() < STARTS_WITHIN) {
    const apps = daemonPid() === null ? [] : await list();
    const now = JSON.stringify(apps.map(({ pmId, pid, status }) => [pmId, pid, status]));
    if (apps.length > 0 && now === before && apps.every(({ status }) => status !== 'launching')) return;
    before = now;
    await new Promise((resolve) => setTimeout(resolve, LOOK_EVERY));
  }
}

/** Seconds since its first process started. */
function ageOfContainer(): number {
  const start = startTicks(1);
  return start === null ? Number.POSITIVE_INFINITY : uptime() - start / 100;
}

/** The arguments of every process here, by pid. */
export function commandLines(): Map<number, string[]> {
  return new Map(allPids().map((pid) => [pid, argumentsOf(pid)]));
}

const RESTARTED = 'When the container restarts, nothing starts the app again';

/**
 * What is wrong with how PM2 runs in the container, as warnings. `daemon` is the pid of the PM2 that is deployed to; null if none
 * runs. Throws a `DeployFailure` if another PM2 is the container's own: the app would run twice.
 */
export function remarksOnPm2(
  { name }: Container,
  daemon: number | null,
  commands: ReadonlyMap<number, string[]>,
): string[] {
  const [runtime] = [...commands].find(([, args]) => isRuntime(args)) ?? [null];
  if (daemon === null && runtime !== null) {
    throw new DeployFailure(
      `pm2-runtime runs in container '${name}' (pid ${runtime}), but not as this user (uid ${process.getuid?.()}) with this PM2_HOME. A deploy would start a second PM2.`,
      {
        remedy:
          'Let the image name the user that pm2-runtime runs as (USER, or user in the compose file), and PM2_HOME if it has one (ENV). An entrypoint that changes either one hides it.',
      },
    );
  }
  if (daemon === null)
    return [`No PM2 runs in container '${name}' yet. ${RESTARTED}: start the container with pm2-runtime.`];
  const args = commands.get(daemon) ?? [];
  if (!isRuntime(args))
    return [
      `PM2 in container '${name}' was not started by pm2-runtime. ${RESTARTED}, unless its command does.`,
    ];
  return [
    args.includes('--no-auto-exit')
      ? []
      : 'pm2-runtime ends the container if no app is online for about 10 s. That can happen in a rollback. Start it with --no-auto-exit.',
    daemon === 1
      ? "pm2-runtime is the container's first process, and leaves a zombie process of each deploy. Start the container with --init, in a compose file with init: true."
      : [],
  ].flat();
}

function isRuntime(args: readonly string[]): boolean {
  return args.some((arg) => /^pm2-(runtime|docker)$/.test(basename(arg)));
}
