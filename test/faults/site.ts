import { copyFileSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { type FixtureOptions, INSTANCES } from '../rig/fixture-app.ts';
import { createHost } from '../rig/host.ts';
import { createSite, type Site } from '../rig/site.ts';
import { type Disk, mountDisk } from './disk.ts';

/** A server whose app was deployed once, and whose host program can be stopped at a moment of the next deploy. */
export interface FaultSite extends AsyncDisposable {
  site: Site;
  /** What the app of this server needs of it: a disk of its own, which can be filled, fork mode, or layout releases. */
  kind: Kind;
  disk: Disk | null;
  /** What leads to the files of the version that runs. */
  tree: string;
  /** Files of the app's own in there, which no deploy may touch: text by path. */
  own: Record<string, string>;
  /** Has the app write a file that no version before had. */
  writeOwn(): void;
  /** How many instances PM2 runs of the app. */
  instances: number;
  /** The version that the last good deploy brought. */
  live: { version: string; sha: string };
  /** Commits the next version, counted up. */
  commitNext(flaw?: FixtureOptions['flaw']): { version: string; sha: string };
  /** Where hold.cjs lies on the host, and what it leaves there. */
  control: string;
}

export interface Kind {
  onDisk: boolean;
  forkMode: boolean;
  releases: boolean;
}

const FORK_MODE: Partial<FixtureOptions> = {
  shutdown: 'none',
  settings: { exec_mode: 'fork', instances: 1, wait_ready: false },
};

const OWN_FILES: Record<string, string> = {
  '.env': 'GREETING=hello\n',
  'uploads/photo.txt': 'what a visitor sent\n',
};

/** The `shell-init` by which Node loads hold.cjs into the host program. */
export const HOLDING = 'export NODE_OPTIONS="--require=$HOME/.faults/hold.cjs"';

/** While this directory is there, the first command of this name waits in it. */
export const slowDirectory = (fault: FaultSite, name: 'install' | 'build'): string =>
  path.join(fault.control, `slow-${name}`);

const slow = (name: string): string =>
  `if mkdir "$HOME/.faults/slow-${name}/once" 2>/dev/null; then while [ -d "$HOME/.faults/slow-${name}" ]; do sleep 0.05; done; fi`;

export async function createFaultSite(kind: Kind): Promise<FaultSite> {
  const disk = kind.onDisk ? mountDisk() : null;
  const host = await createHost(disk === null ? {} : { parent: disk.directory });
  const site = await createSite(host, {
    inputs: {
      'install-command': `echo installs\n${slow('install')}`,
      'build-command': `node build.js\n${slow('build')}`,
      'health-url': '/health',
      'stable-for': '500ms',
      ...(kind.releases && { layout: 'releases' }),
    },
  });
  const control = path.join(site.host.directory, '.faults');
  mkdirSync(control);
  for (const name of ['hold.cjs', 'jumping-clock.cjs'])
    copyFileSync(path.join(import.meta.dirname, name), path.join(control, name));
  let count = 0;
  const commitNext: FaultSite['commitNext'] = (flaw) => {
    count += 1;
    const version = `v${count}`;
    const app = { version, ...(kind.forkMode && FORK_MODE), ...(flaw !== undefined && { flaw }) };
    return { version, sha: site.commit(app) };
  };
  const write = (files: Record<string, string>): void => {
    for (const [name, text] of Object.entries(files)) {
      const file = path.join(fault.tree, name);
      mkdirSync(path.dirname(file), { recursive: true });
      writeFileSync(file, text);
    }
    Object.assign(fault.own, files);
  };
  const fault: FaultSite = {
    site,
    kind,
    disk,
    tree: kind.releases ? path.join(site.live, 'current') : site.live,
    own: {},
    writeOwn: () => write({ [`own-${count}/uploads/note.txt`]: `of ${count}` }),
    instances: kind.forkMode ? 1 : INSTANCES,
    live: commitNext(),
    commitNext,
    control,
    async [Symbol.asyncDispose]() {
      site.repository.remove();
      await host.stop();
      await disk?.[Symbol.asyncDispose]();
    },
  };
  try {
    const run = await site.deploy({ ref: fault.live.sha });
    if (run.outputs.outcome !== 'deployed') throw new Error(`the first deploy failed:\n${run.stdout}`);
    write(OWN_FILES);
  } catch (error) {
    await fault[Symbol.asyncDispose]();
    throw error;
  }
  return fault;
}

/** Has the next host program stop at this moment. */
export function holdAt(fault: FaultSite, moment: string): void {
  for (const name of readdirSync(fault.control).filter((one) => one.startsWith('reached.')))
    rmSync(path.join(fault.control, name));
  writeFileSync(path.join(fault.control, 'moment'), moment);
}

/** Lets nothing be held any more. */
export function releaseAll(fault: FaultSite): void {
  // The command makes its own directory in one of them at any moment.
  const options = { recursive: true, force: true, maxRetries: 5 };
  for (const name of ['moment', 'slow-install', 'slow-build'])
    rmSync(path.join(fault.control, name), options);
}
