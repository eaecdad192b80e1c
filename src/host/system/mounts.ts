import { readFileSync } from 'node:fs';
import { isWithin } from './paths.ts';

/**
 * Where something is mounted, bind mounts too, as real paths. Nothing can be renamed from one mount to another, even of one
 * file system, which then has one device number. Empty where the kernel does not tell.
 */
export function mountPoints(): string[] {
  try {
    return parseMounts(readFileSync('/proc/self/mountinfo', 'utf8'));
  } catch {
    return [];
  }
}

export function parseMounts(mountinfo: string): string[] {
  const points = mountinfo.split('\n').flatMap((line) => line.split(' ')[4] ?? []);
  return points.map((point) =>
    point.replace(/\\(\d{3})/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 8))),
  );
}

/** The mount in which a real path lies: the deepest point above it. Empty where that is not known. */
export function mountOf(path: string, points: readonly string[]): string {
  const above = points.filter((point) => isWithin(point, path));
  return above.reduce((deepest, point) => (point.length > deepest.length ? point : deepest), '');
}
