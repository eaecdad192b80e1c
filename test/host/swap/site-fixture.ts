import { createHash } from 'node:crypto';
import {
  chmodSync,
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { carryAssets } from '../../../src/host/build/keep-assets.ts';
import { knownTree } from '../../../src/host/swap/known-tree.ts';
import { type SwapPlaces, type SwapResult, swapBackward, swapForward } from '../../../src/host/swap/swap.ts';
import {
  type Surroundings,
  type SwapInput,
  type SwapList,
  swapList,
} from '../../../src/host/swap/swap-list.ts';
import { disown, type Generated, recordGenerated } from '../../../src/host/swap/tree.ts';

/** Content by path. `-> x` is a link to x; a path that ends in `/` an empty directory; `*.sh` is executable. */
export type Files = Record<string, string | Buffer>;

/** A commit, what the build makes of it (or rewrites), and which of its files the build removes. */
export interface Version {
  tracked: Files;
  built?: Files;
  removed?: string[];
}

export const DATABASE = Buffer.concat([Buffer.from('SQLite format 3\0'), Buffer.alloc(1000, 7)]);

/** Writes files under a directory, and the directories around them. */
export function plant(root: string, files: Files): void {
  mkdirSync(root, { recursive: true });
  for (const [path, content] of Object.entries(files)) {
    const file = join(root, path);
    mkdirSync(path.endsWith('/') ? file : dirname(file), { recursive: true });
    if (path.endsWith('/')) continue;
    if (typeof content === 'string' && content.startsWith('-> ')) symlinkSync(content.slice(3), file);
    else writeFileSync(file, content);
    if (path.endsWith('.sh')) chmodSync(file, 0o755);
  }
}

/** What `git ls-tree -r` would say. */
export function fingerprints(tracked: Files): Map<string, string> {
  return new Map(
    Object.entries(tracked).map(([path, content]) => {
      const isLink = typeof content === 'string' && content.startsWith('-> ');
      const bytes = Buffer.from(isLink ? content.slice(3) : content);
      const hash = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
      return [path, `${isLink ? '120000' : path.endsWith('.sh') ? '100755' : '100644'} ${hash}`];
    }),
  );
}

/** Content by path of all that is there; empty directories with a `/` at the end. */
export function contents(root: string): Record<string, string> {
  const found: [string, string][] = [];
  const visit = (directory: string): void => {
    const names = readdirSync(join(root, directory));
    if (names.length === 0 && directory !== '') found.push([`${directory}/`, '']);
    for (const name of names) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const file = join(root, path);
      const stat = lstatSync(file);
      if (stat.isDirectory()) visit(path);
      else
        found.push([path, stat.isSymbolicLink() ? `-> ${readlinkSync(file)}` : readFileSync(file, 'latin1')]);
    }
  };
  visit('');
  return Object.fromEntries(found);
}

/** One line for each path below a directory: type and mode, inode, and of a file or link its size, time and names. */
export function identities(root: string, isScaffold: (path: string) => boolean = () => false): string[] {
  const lines: string[] = [];
  const visit = (directory: string): void => {
    for (const name of readdirSync(directory === '' ? root : `${root}/${directory}`)) {
      const path = directory === '' ? name : `${directory}/${name}`;
      const stat = lstatSync(`${root}/${path}`);
      const { mode, ino, size, mtimeMs, nlink } = stat;
      if (stat.isDirectory()) {
        lines.push(`${path} ${mode} ${isScaffold(path) ? '' : ino}`);
        visit(path);
      } else lines.push(`${path} ${mode} ${ino} ${size} ${mtimeMs} ${nlink}`);
    }
  };
  visit('');
  return lines;
}

/** One app's directory, to which versions are deployed without git, PM2 or a real build. */
export interface Site {
  live: string;
  /** Places of the last version that was staged. */
  places: () => SwapPlaces;
  /** Stages a version and lists its swap. `hand` leaves out the record of what the last one's build made. */
  stage(version: Version, options?: StageOptions): Promise<SwapList & Surroundings>;
  /** Stages a version and swaps it in; the app is then as after a deploy by us. */
  deploy(version: Version, options?: StageOptions): Promise<SwapList>;
  /** From now on the version that was staged last is the one that is live. */
  commit(): void;
  forward(list: SwapList): SwapResult;
  backward(list: SwapList): SwapResult;
  record: () => Generated;
  remove(): void;
}

interface StageOptions extends Partial<Pick<SwapInput, 'given' | 'flagged' | 'ignored' | 'pinned'>> {
  hand?: boolean;
  /** Globs of the assets that stay, and the time of the deploy. */
  keep?: { globs: string[]; now?: number };
}

export function createSite(): Site {
  const root = mkdtempSync(join(tmpdir(), 'site-'));
  const live = join(root, 'live');
  mkdirSync(live);
  let count = 0;
  let places: SwapPlaces = { live, staging: '', kept: '' };
  let old: { tracked: Files; generated: Generated | null } = { tracked: {}, generated: null };
  let next = old;

  const stage: Site['stage'] = async (version, { hand = false, keep, ...options } = {}) => {
    count++;
    places = { live, staging: join(root, `${count}`), kept: join(root, `${count}.kept`) };
    const { staging } = places;
    plant(staging, version.tracked);
    for (const path of version.removed ?? []) rmSync(join(staging, path));
    plant(staging, version.built ?? {});
    const generatedOld = hand ? null : old.generated;
    const { kept = [] } =
      keep === undefined
        ? {}
        : carryAssets({
            live,
            staging,
            globs: keep.globs,
            known: generatedOld === null ? null : knownTree(fingerprints(old.tracked), generatedOld, 'known'),
            sha: `version ${count - 1}`,
            earlier: generatedOld?.assets ?? [],
            now: keep.now ?? Date.now(),
          });
    const generated = recordGenerated(staging, fingerprints(version.tracked), kept);
    next = { tracked: version.tracked, generated };
    plant(staging, Object.fromEntries((options.given ?? []).map((path) => [path, 'given'])));
    const list = await swapList({
      live,
      staging,
      trackedOld: fingerprints(old.tracked),
      trackedNew: fingerprints(next.tracked),
      generatedOld,
      // As the journal gives it back.
      generatedNew: JSON.parse(JSON.stringify(next.generated)) as Generated,
      given: options.given ?? [],
      flagged: options.flagged ?? new Set(),
      ignored: options.ignored ?? (() => new Set()),
      pinned: options.pinned ?? [],
    });
    next.generated = disown(next.generated as Generated, list.same);
    return list;
  };
  return {
    live,
    places: () => places,
    stage,
    async deploy(version, options) {
      const list = await stage(version, options);
      if (list.collisions.length > 0) throw new Error(JSON.stringify(list.collisions));
      swapForward(places, list.ops);
      old = next;
      return list;
    },
    commit: () => {
      old = next;
    },
    forward: (list) => swapForward(places, list.ops),
    backward: (list) => swapBackward(places, list.ops),
    record: () => {
      if (next.generated === null) throw new Error('nothing was staged yet');
      return next.generated;
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}
