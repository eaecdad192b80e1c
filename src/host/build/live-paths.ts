import { isAbsolute, join } from 'node:path';
import type { DeployApp } from '../pm2/app-config.ts';
import type { Places } from '../state/places.ts';
import { below } from '../system/paths.ts';

type Live = Pick<Places, 'top' | 'live'>;

/** Settings that say where an app is, and what starts it. */
const PLACES = /^(cwd|script|exec|cmd|command|interpreter|exec_?interpreter)$/i;

/**
 * The apps with `live` in place of what no new version reaches, where each version has a directory of its own: a file that was
 * written for a checkout names `top`, and PM2 notes the directory of one version for what was started by hand.
 */
export function meantOfLive(apps: readonly DeployApp[], places: Live): DeployApp[] {
  if (places.live === places.top) return [...apps];
  return apps.map((app) => {
    const moved = Object.entries(app).flatMap(([key, value]) =>
      PLACES.test(key) && typeof value === 'string' && isAbsolute(value)
        ? [[key, inLive(value, places)] as const]
        : [],
    );
    return { ...app, ...Object.fromEntries(moved) };
  });
}

/** What all versions share stays as it is, and what lies elsewhere. */
function inLive(path: string, { top, live }: Live): string {
  const [first, ...rest] = below(top, path)?.split('/') ?? ['shared'];
  if (first === 'shared') return path;
  if (first === 'current') return join(live, ...rest);
  return first === 'releases' ? join(live, ...rest.slice(1)) : join(live, first ?? '', ...rest);
}
