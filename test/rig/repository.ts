import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import os from 'node:os';
import path from 'node:path';
import { pathToFileURL } from 'node:url';

export interface Repository {
  /** The bare repository's directory; over ssh it is `ssh://user@host:port` and this path. */
  path: string;
  /** `file://…`. */
  url: string;
  /** The branch that `commit` moves. */
  branch: string;
  /**
   * Commits a tree of exactly these files (content by path) on top of the last commit, and returns its full id.
   * A file named `*.sh` is executable; `-> x` as content makes a link to x.
   */
  commit(files: Record<string, string>, message?: string): string;
  /** Runs git in the bare repository and returns what it prints, trimmed. */
  git(...args: string[]): string;
  remove(): void;
}

/** Makes a bare repository whose branch `main` has no commit yet. `format` is what git hashes objects with. */
export function createRepository(format: 'sha1' | 'sha256' = 'sha1'): Repository {
  const root = mkdtempSync(path.join(os.tmpdir(), 'repo-'));
  const bare = path.join(root, 'shop.git');
  const tree = path.join(root, 'tree');
  const git = (...args: string[]): string =>
    execFileSync('git', ['--git-dir', bare, '--work-tree', tree, ...args], {
      encoding: 'utf8',
      env: gitEnv(),
    }).trim();
  execFileSync(
    'git',
    ['init', '--quiet', '--bare', '--initial-branch=main', `--object-format=${format}`, bare],
    { env: gitEnv() },
  );
  // Servers such as GitHub's give any commit that is asked for by its id, and leave out files that are not wanted.
  git('config', 'uploadpack.allowAnySHA1InWant', 'true');
  git('config', 'uploadpack.allowFilter', 'true');
  return {
    path: bare,
    url: pathToFileURL(bare).href,
    branch: 'main',
    git,
    commit(files, message = 'A change') {
      rmSync(tree, { recursive: true, force: true });
      for (const [name, content] of Object.entries(files)) {
        const file = path.join(tree, name);
        mkdirSync(path.dirname(file), { recursive: true });
        if (content.startsWith('-> ')) symlinkSync(content.slice(3), file);
        else writeFileSync(file, content, { mode: name.endsWith('.sh') ? 0o755 : 0o644 });
      }
      mkdirSync(tree, { recursive: true });
      git('add', '--all', '--force');
      git('commit', '--quiet', '--allow-empty', '--message', message);
      return git('rev-parse', 'HEAD');
    },
    remove: () => rmSync(root, { recursive: true, force: true }),
  };
}

/** Whoever runs the tests: their own git settings, hooks and signing stay out of it. */
function gitEnv(): NodeJS.ProcessEnv {
  const author = { NAME: 'Rig', EMAIL: 'rig@example.com' };
  return {
    PATH: process.env.PATH,
    GIT_CONFIG_GLOBAL: '/dev/null',
    GIT_CONFIG_NOSYSTEM: '1',
    GIT_AUTHOR_NAME: author.NAME,
    GIT_AUTHOR_EMAIL: author.EMAIL,
    GIT_COMMITTER_NAME: author.NAME,
    GIT_COMMITTER_EMAIL: author.EMAIL,
  };
}
