import { readFileSync } from 'node:fs';
import { isWithin } from './paths.ts';

/** One mount, bind mounts too. */
export interface Mount {
  /** Where it is, as a real path. */
  point: string;
  /** What of its file system is there, such as `/var/lib/docker/volumes/shop/_data`. */
  root: string;
  /** The file system's type, such as `ext4` or `overlay`. */
  type: string;
}

/** What is mounted here. Empty where the kernel does not tell. */
export function mounts(): Mount[] {
  try {
    return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return [];
  }
}

/**
 * Where something is mounted. Nothing can be renamed from one mount to another, even of one file system, which then has one
 * device number.
 */
export function mountPoints(): string[] {
  return mounts().map(({ point }) => point);
}

export function parseMounts(mountinfo: string): Mount[] {
  return mountinfo.split('\n').flatMap((line) => {
    const [before = '', after = ''] = line.split(' - ', 2);
    const [, , , root, point] = before.split(' ');
    const [type = ''] = after.split(' ');
    return root === undefined || point === undefined
      ? []
      : [{ point: plain(point), root: plain(root), type }];
  });
}

function plain(path: string): string {
  return path.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8)));
}

/** The mount in which a real path lies: the deepest point above it. Empty where that is not known. */
export function mountOf(path: string, points: readonly string[]): string {
  const above = points.filter((point) => isWithin(point, path));
  return above.reduce((deepest, point) => (point.length > deepest.length ? point : deepest), '');
}

/** What a path is kept by when the container that sees these mounts is recreated. */
export type Keeper = 'volume' | 'nameless volume' | 'memory' | 'nothing';

/** Null where the mounts are not known. */
export function keeperOf(path: string, known: readonly Mount[]): Keeper | null {
  const point = mountOf(
    path,
    known.map((mount) => mount.point),
  );
  // Of two mounts at one point the later one covers the other.
  const mount = known.filter((each) => each.point === point).at(-1);
  if (mount === undefined) return null;
  // Whatever the engine makes a container's root of. An overlay elsewhere is one of podman's, which lasts as long.
  if (point === '/' || mount.type === 'overlay') return 'nothing';
  if (mount.type === 'tmpfs' || mount.type === 'ramfs') return 'memory';
  return /\/volumes\/[0-9a-f]{64}\/_data(\/|$)/.test(mount.root) ? 'nameless volume' : 'volume';
}
