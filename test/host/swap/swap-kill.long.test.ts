import { spawn } from 'node:child_process';
import { cpSync, existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { type SwapPlaces, swapBackward, swapForward } from '../../../src/host/swap/swap.ts';
import type { SwapOp } from '../../../src/host/swap/swap-list.ts';
import { parentsOf } from '../../../src/host/swap/tree.ts';
import { writePlainJs } from './plain-js.ts';
import {
  contents,
  createSite,
  type Files,
  identities,
  plant,
  type Site,
  type Version,
} from './site-fixture.ts';

const OLDEST_NODE = join(import.meta.dirname, '../../host-tools/node_modules/node-16/bin/node');
const child = writePlainJs(join(import.meta.dirname, 'swap-child.mts'));
afterAll(() => rmSync(child.directory, { recursive: true, force: true }));

/** A directory of `count` files. */
function filled(path: string, count: number, content: string): Files {
  return Object.fromEntries(
    Array.from({ length: count }, (_, n) => [`${path}/sub${n % 4}/file ${n}.js`, `${content} ${n}`]),
  );
}

const repeated = (count: number, make: (n: number) => Files): Files =>
  Object.assign({}, ...Array.from({ length: count }, (_, n) => make(n)));

/** Two versions, each of a tree of about 2,000 paths, that differ in every way that the list knows. */
const tracked = (v: 1 | 2): Files => ({
  ...filled('same', 700, 'same'),
  ...repeated(14, (n) => ({ [`replaced-${n}.txt`]: `${v}` })),
  ...repeated(10, (n) => filled(`whole-${n}`, 60, `${v}`)),
  ...repeated(8, (n) => ({ [`mixed/m${n}/code.js`]: `${v}`, [`mixed/m${n}/lib/a.js`]: `${v}` })),
  ...repeated(5, (n): Files => (v === 1 ? { [`shape-${n}`]: 'file' } : filled(`shape-${n}`, 5, 'two'))),
  ...repeated(5, (n): Files => (v === 2 ? { [`form-${n}`]: 'file' } : filled(`form-${n}`, 5, 'one'))),
  ...repeated(4, (n) => ({ [`link-${n}`]: `-> target-${v}` })),
  ...repeated(8, (n) => ({ [`only-${v}-${n}.js`]: `${v}`, [`only-${v}-dir-${n}/deep/x.js`]: `${v}` })),
});
const built = (v: 1 | 2): Files => ({
  ...filled('node_modules/package', 300, `${v}`),
  ...filled('dist/assets', 30, `${v}`),
  'dist/server.js': `${v}`,
  [`dist/only-${v}.js`]: `${v}`,
  'version stamp\n.json': `${v}`,
  'tmp/': '',
});
const own: Files = {
  '.env': 'SECRET=1',
  ...filled('uploads', 150, 'own'),
  ...repeated(8, (n) => ({ [`mixed/m${n}/data/mine`]: 'own', [`mixed/m${n}/lib/mine`]: 'own' })),
  'dist/cache/mine': 'own',
};
const version = (v: 1 | 2): Version => ({ tracked: tracked(v), built: built(v) });

/** One copy of the site, in which the list is carried out again and again. */
interface Lane {
  places: SwapPlaces;
  ops: SwapOp[];
  steps: { forward: number; backward: number };
  /** Runs the child until it kills itself after its n-th step. */
  killed(direction: 'forward' | 'backward', n: number): Promise<void>;
  expectAll(wanted: 'before' | 'after'): void;
}

let site: Site;
const lanes: Lane[] = [];
/** In memory where that is to be had: each swap syncs its directories, and a kill -9 loses nothing that a kernel has. */
const scratch = mkdtempSync(join(existsSync('/dev/shm') ? '/dev/shm' : tmpdir(), 'kill-'));
afterAll(() => {
  rmSync(scratch, { recursive: true, force: true });
  site.remove();
});

function openLane(directory: string, ops: SwapOp[]): Lane {
  const places = {
    live: join(directory, 'live'),
    staging: join(directory, 'staging'),
    kept: join(directory, 'kept'),
  };
  const input = join(directory, 'input.json');
  writeFileSync(input, JSON.stringify({ places, ops }));
  const scaffolds = parentsOf(ops.map(({ path }) => path));
  const all = (): string[] => [
    ...identities(places.live),
    ...identities(places.staging).map((line) => `staging ${line}`),
    // What lies around kept things there is made when it is needed: its inode is another each time.
    ...identities(places.kept, (path) => scaffolds.has(path)).map((line) => `kept ${line}`),
  ];
  const steps = { forward: 0, backward: 0 };
  swapForward(places, ops, () => steps.forward++);
  const after = new Set(all());
  swapBackward(places, ops, () => steps.backward++);
  const known = { before: new Set(all()), after };
  return {
    places,
    ops,
    steps,
    killed: (direction, n) =>
      new Promise((resolve, reject) => {
        const program = spawn(process.execPath, [child.file, direction, input, `${n}`], { stdio: 'inherit' });
        program.once('error', reject);
        program.once('close', (code, signal) =>
          signal === 'SIGKILL' ? resolve() : reject(new Error(`step ${n}: code ${code}, signal ${signal}`)),
        );
      }),
    expectAll(wanted) {
      const now = all();
      const differences = now.filter((line) => !known[wanted].has(line));
      if (differences.length > 0 || now.length !== known[wanted].size)
        throw new Error(`${now.length} paths, not as ${wanted}: ${differences.slice(0, 5).join('\n')}`);
    },
  };
}

beforeAll(async () => {
  site = createSite();
  await site.deploy(version(1));
  plant(site.live, own);
  const { ops, collisions } = await site.stage(version(2));
  expect(collisions).toEqual([]);
  for (const name of ['a', 'b']) {
    const directory = join(scratch, name);
    const copy = { recursive: true, verbatimSymlinks: true, preserveTimestamps: true };
    cpSync(site.live, join(directory, 'live'), copy);
    cpSync(site.places().staging, join(directory, 'staging'), copy);
    plant(join(directory, 'kept'), {});
    lanes.push(openLane(directory, ops));
  }
});

it('swaps a tree of 2,000 paths by a list of every shape', () => {
  const [{ places, ops, steps }] = lanes as [Lane, Lane];
  expect(identities(places.live).length).toBeGreaterThan(2000);
  expect(ops.length).toBeGreaterThan(90);
  expect(new Set(ops.map(({ live, staging }) => `${live} ${staging}`)).size).toBe(3);
  expect(steps.forward).toBeGreaterThan(150);
  const before = contents(places.live);
  swapForward(places, ops);
  const expected = { ...tracked(2), ...built(2), ...own, 'tmp/': '' };
  expect(contents(places.live)).toEqual(expected);
  swapBackward(places, ops);
  expect(contents(places.live)).toEqual(before);
  expect(before).toEqual({ ...tracked(1), ...built(1), ...own });
});

it('is resumed both ways with no difference, killed with -9 after every step of each direction', {
  timeout: 240_000,
}, async () => {
  const [onward, back] = lanes as [Lane, Lane];
  const steps = Math.max(onward.steps.forward, onward.steps.backward);
  // Resumed in the direction in which it was killed.
  const resumed = async (): Promise<void> => {
    const { places, ops } = onward;
    for (let n = 1; n <= steps; n++) {
      if (n <= onward.steps.forward) await onward.killed('forward', n);
      swapForward(places, ops);
      onward.expectAll('after');
      if (n <= onward.steps.backward) await onward.killed('backward', n);
      swapBackward(places, ops);
      onward.expectAll('before');
    }
  };
  // Turned round where it was killed.
  const turned = async (): Promise<void> => {
    const { places, ops } = back;
    for (let n = 1; n <= steps; n++) {
      if (n <= back.steps.forward) await back.killed('forward', n);
      swapBackward(places, ops);
      back.expectAll('before');
      swapForward(places, ops);
      if (n <= back.steps.backward) await back.killed('backward', n);
      swapForward(places, ops);
      back.expectAll('after');
      swapBackward(places, ops);
    }
  };
  await Promise.all([resumed(), turned()]);
  for (const lane of lanes)
    expect(contents(lane.places.live)).toEqual({ ...tracked(1), ...built(1), ...own });
});

it('runs on the oldest Node that hosts have', async () => {
  const [lane] = lanes as [Lane, Lane];
  const run = (direction: string): Promise<number | null> =>
    new Promise((resolve, reject) => {
      const input = join(scratch, 'a', 'input.json');
      const program = spawn(OLDEST_NODE, [child.file, direction, input, '0'], { stdio: 'inherit' });
      program.once('error', reject);
      program.once('close', resolve);
    });
  expect(await run('forward')).toBe(0);
  lane.expectAll('after');
  expect(await run('backward')).toBe(0);
  lane.expectAll('before');
});
