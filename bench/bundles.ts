import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gzipSync } from 'node:zlib';
import { ROOT } from '../test/rig/places.ts';
import { median } from './median.ts';

export interface BundleSize {
  name: string;
  bytes: number;
  packed: number;
  /** Milliseconds until it has refused missing inputs; null if it is not started here. */
  start: number | null;
}

const STARTS = 15;
/** Others' bundles, whose sizes stand beside ours: `<name>=<file>`, by commas. None of them is kept here, or started. */
const OTHERS = (process.env.BENCH_BUNDLES ?? '').split(',').filter((given) => given !== '');

/** In turns with an empty Node, as a machine varies. */
export function measureBundles(): { bundles: BundleSize[]; empty: number } {
  const files: [name: string, file: string, isAction: boolean][] = [
    ['the action, `dist/index.js`', path.join(ROOT, 'dist/index.js'), true],
    ['its host program, `dist/host.js`', path.join(ROOT, 'dist/host.js'), false],
    ['what shows the job how it goes, `dist/follower.js`', path.join(ROOT, 'dist/follower.js'), false],
    ...OTHERS.map((given): [string, string, boolean] => {
      const at = given.indexOf('=');
      return [given.slice(0, at), given.slice(at + 1), false];
    }),
  ];
  const times = files.map((): number[] => []);
  const empty: number[] = [];
  for (let round = 0; round < STARTS; round++) {
    empty.push(startOf('-e', '0'));
    for (const [at, [, file, isAction]] of files.entries()) if (isAction) times[at]?.push(startOf(file));
  }
  const bundles = files.map(([name, file, isAction], at) => {
    const content = readFileSync(file);
    const start = isAction ? median(times[at] ?? []) : null;
    return { name, bytes: content.length, packed: gzipSync(content).length, start };
  });
  return { bundles, empty: median(empty) };
}

function startOf(...args: string[]): number {
  const started = performance.now();
  spawnSync(process.execPath, args, { env: { PATH: process.env.PATH }, stdio: 'ignore', cwd: '/' });
  return performance.now() - started;
}
