import { execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  lstatSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  realpathSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { install } from '../../../src/host/build/install.ts';
import type { Context } from '../../../src/host/context.ts';
import { trackedFiles } from '../../../src/host/git/checkout.ts';
import { type Git, gitIn } from '../../../src/host/git/git.ts';
import { createClock } from '../../../src/host/system/clock.ts';
import type { Plan, Step } from '../../../src/protocol.ts';

/** Installs one commit after the other, each where a deploy checks it out. */
export interface Installer {
  /** Absolute: a directory of its own, the checkout in it, and what lies beside the app. */
  scratch: string;
  top: string;
  beside(...names: string[]): string;
  /** For the install; a test may add to it. */
  env: NodeJS.ProcessEnv;
  commit(files: Record<string, string>): void;
  /** Installs what was committed last. Gives what lies in `node_modules` then: type, mode, time and content. */
  install(step?: Step, plan?: Partial<Plan>): Promise<string[]>;
  /** What the log of the last install says. */
  lines: string[];
  reused(): boolean;
  remove(): void;
}

export function createInstaller(): Installer {
  const scratch = realpathSync(mkdtempSync(join(tmpdir(), 'install-')));
  for (const name of ['run', 'home', 'beside']) mkdirSync(join(scratch, name), { mode: 0o700 });
  const beside = (...names: string[]): string => join(scratch, 'beside', ...names);
  const top = beside('staging');
  const abort = new AbortController();
  const self: Installer = {
    scratch,
    top,
    beside,
    env: { PATH: process.env.PATH, HOME: join(scratch, 'home') },
    lines: [],
    commit(files) {
      rmSync(top, { recursive: true, force: true });
      for (const [path, content] of Object.entries(files)) {
        mkdirSync(join(top, dirname(path)), { recursive: true });
        writeFileSync(join(top, path), content);
      }
      const git = (...args: string[]): unknown =>
        execFileSync('git', ['-C', top, ...args], { stdio: 'pipe' });
      git('init', '--quiet');
      git('add', '--all');
      git('-c', 'user.name=a', '-c', 'user.email=a@b.c', 'commit', '--quiet', '-m', 'x');
    },
    async install(step = { kind: 'default' }, plan = {}) {
      const { env, lines } = self;
      lines.length = 0;
      const clock = createClock();
      const at = (directory: string): Git =>
        gitIn(directory, { clock, env, timeLimit: 10_000, locks: new Set() });
      const steps = { install: step };
      const context = {
        plan: { steps, commandTimeout: 120_000, workingDirectory: '', freshInstall: false, ...plan },
        places: { beside: beside(), top: join(scratch, 'live'), live: join(scratch, 'live') },
        runDir: join(scratch, 'run'),
        clock,
        log: (event: { text?: string }) => lines.push(event.text ?? ''),
        env,
        runner: { cancelled: abort.signal },
        gitIn: at,
        locks: new Set(),
      } as unknown as Context;
      await install(context, { top, workDir: top }, await trackedFiles(at(top), 'HEAD'), []);
      return tree(join(top, 'node_modules'));
    },
    reused: () => self.lines.some((line) => line.startsWith('Reused the last install')),
    remove: () => rmSync(scratch, { recursive: true, force: true }),
  };
  return self;
}

function tree(root: string): string[] {
  return readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => {
      const stat = lstatSync(join(root, path));
      const content = stat.isSymbolicLink()
        ? readlinkSync(join(root, path))
        : stat.isFile()
          ? createHash('sha256')
              .update(readFileSync(join(root, path)))
              .digest('hex')
          : '';
      return `${path} ${stat.mode.toString(8)} ${stat.isSymbolicLink() ? '' : stat.mtimeMs} ${content}`;
    });
}

/** The names alone, of a tree that was installed at another time. */
export const pathsOf = (list: readonly string[]): string[] => list.map((line) => line.split(' ')[0] ?? '');
