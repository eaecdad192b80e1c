import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import {
  envDirectories,
  envFiles,
  envFilesIn,
  hideEnvFiles,
  showEnvFiles,
} from '../../../src/host/build/env-files.ts';
import { checkOut } from '../../../src/host/build/staging-clone.ts';
import {
  inspectCheckout,
  localChanges,
  moveHead,
  readHead,
  refuseGitLocks,
  removeGitLocks,
  restoreHead,
  trackedFiles,
} from '../../../src/host/git/checkout.ts';
import { fetchCommit, createRepository as initRepository, pruneRefs } from '../../../src/host/git/fetch.ts';
import type { Git } from '../../../src/host/git/git.ts';
import { createRepository, type Repository } from '../../rig/repository.ts';
import { openGit } from './open-git.ts';

let remote: Repository;
let scratch: string;
let live: string;
let git: Git;
let first: string;

const open = (directory: string): Git => openGit(directory, scratch);
const REPOSITORY = { url: 'https://nowhere.example/x/y.git', given: false };
const NO_TOKEN = { gitToken: null, say: () => {}, repository: REPOSITORY };
const NO_TRACES = { rewritten: {}, deleted: [] };
const ask = (ref: string, repository = { url: remote.url, given: false }): Promise<string> =>
  fetchCommit(git, open, { ref, rule: 'any', repository }, NO_TOKEN);

beforeEach(() => {
  remote = createRepository();
  scratch = mkdtempSync(join(tmpdir(), 'git-'));
  first = remote.commit({ 'a.txt': 'one', 'deep/b.txt': 'one' });
  live = join(scratch, 'app');
  execFileSync('git', ['clone', '--quiet', remote.url, live]);
  git = open(live);
});
afterEach(() => {
  remote.remove();
  rmSync(scratch, { recursive: true, force: true });
});

describe('trackedFiles', () => {
  it('reads the files of a commit once, and those of a name each time', async () => {
    const files = await trackedFiles(git, first);
    files.set('added.txt', 'by whoever asked');
    const moved = remote.commit({ 'c.txt': 'two' });
    execFileSync('git', ['-C', live, 'pull', '--quiet']);
    expect([...(await trackedFiles(git, 'HEAD')).keys()]).toEqual(['c.txt']);
    rmSync(join(live, '.git'), { recursive: true });
    expect([...(await trackedFiles(git, first)).keys()]).toEqual(['a.txt', 'deep/b.txt']);
    await expect(trackedFiles(git, 'HEAD')).rejects.toThrow('Reading the files of HEAD');
    await expect(trackedFiles(git, moved)).rejects.toThrow(`Reading the files of ${moved}`);
  });
});

describe('fetchCommit', () => {
  it('brings the commit that was asked for, not the tip that moved on', async () => {
    const second = remote.commit({ 'a.txt': 'two' });
    const third = remote.commit({ 'a.txt': 'three' });
    expect(await ask(second)).toBe(second);
    expect(await ask('main')).toBe(third);
    expect(await ask(third.slice(0, 10))).toBe(third);
    expect(await ask('refs/heads/main')).toBe(third);
  });

  it('finds a commit that the server gives out only as part of a branch', async () => {
    remote.git('config', 'uploadpack.allowAnySHA1InWant', 'false');
    const second = remote.commit({ 'a.txt': 'two' });
    remote.commit({ 'a.txt': 'three' });
    expect(await ask(second)).toBe(second);
  });

  it('takes a lightweight and an annotated tag for their commit', async () => {
    const second = remote.commit({ 'a.txt': 'two' });
    remote.git('tag', 'light');
    remote.git('tag', '-a', '-m', 'x', 'v1');
    remote.commit({ 'a.txt': 'three' });
    expect(await ask('light')).toBe(second);
    expect(await ask('v1')).toBe(second);
  });

  it('refuses a name that is a branch and a tag of different commits', async () => {
    remote.git('branch', 'v1');
    remote.commit({ 'a.txt': 'two' });
    remote.git('tag', 'v1');
    await expect(ask('v1')).rejects.toThrow("'v1' is both a branch and a tag");
  });

  it.each(['nope', 'f'.repeat(40), 'deadbeef'])('says that there is no %s', async (ref) => {
    await expect(ask(ref)).rejects.toThrow(
      new RegExp(`no (commit|branch or tag|branch, tag or commit) '${ref}'`),
    );
  });

  it('says so when the repository cannot be reached, before anything else', async () => {
    const asked = ask('main', { url: `file://${scratch}/gone.git`, given: true });
    await expect(asked).rejects.toMatchObject({
      message: expect.stringContaining('Looking up main'),
      remedy: expect.stringContaining('Check that the repository exists'),
    });
  });

  it('fetches what a fetch that was cut short has left without its files', async () => {
    const second = remote.commit({ 'a.txt': 'two' });
    const commit = execFileSync('git', ['-C', remote.path, 'cat-file', 'commit', second]);
    const alone = ['-C', live, 'hash-object', '-w', '-t', 'commit', '--stdin'];
    expect(execFileSync('git', alone, { input: commit, encoding: 'utf8' }).trim()).toBe(second);
    expect(await ask(second)).toBe(second);
    expect(execFileSync('git', ['-C', live, 'show', `${second}:a.txt`], { encoding: 'utf8' })).toBe('two');
  });

  it('asks nobody for a commit that is there already', async () => {
    expect(await ask(first, { url: 'file:///nowhere', given: true })).toBe(first);
  });

  it('leaves a full clone full, and keeps refs of ours for the given commits alone', async () => {
    const second = remote.commit({ 'a.txt': 'two' });
    await ask(second);
    expect(existsSync(join(live, '.git', 'shallow'))).toBe(false);
    await pruneRefs(git, [first]);
    const refs = execFileSync('git', ['for-each-ref', '--format=%(refname)', 'refs/pm2-ssh-deploy'], {
      cwd: live,
    });
    expect(refs.toString().trim()).toBe(`refs/pm2-ssh-deploy/${first}`);
  });

  it('runs no hook of the checkout', async () => {
    const hook = join(live, '.git', 'hooks', 'reference-transaction');
    mkdirSync(join(live, '.git', 'hooks'), { recursive: true });
    writeFileSync(hook, `#!/bin/sh\ntouch ${scratch}/hooked\n`);
    chmodSync(hook, 0o755);
    await ask(remote.commit({ 'a.txt': 'two' }));
    expect(existsSync(join(scratch, 'hooked'))).toBe(false);
  });
});

describe('inspectCheckout', () => {
  it('knows a checkout and an empty directory', async () => {
    const empty = join(scratch, 'empty');
    mkdirSync(empty);
    expect(await inspectCheckout(live, git)).toBe('checkout');
    expect(await inspectCheckout(empty, open(empty))).toBe('absent');
  });

  it('refuses files without git, and a directory inside a checkout', async () => {
    const files = join(scratch, 'files');
    mkdirSync(files);
    writeFileSync(join(files, 'index.html'), '');
    await expect(inspectCheckout(files, open(files))).rejects.toThrow('is not a git checkout');
    await expect(inspectCheckout(join(live, 'deep'), open(join(live, 'deep')))).rejects.toThrow(
      'is not a git checkout',
    );
  });
});

describe('localChanges', () => {
  it('names changed, staged and deleted tracked files, and no others', async () => {
    writeFileSync(join(live, '.env'), 'A=1');
    expect(await localChanges(live, git, NO_TRACES)).toEqual([]);
    writeFileSync(join(live, 'a.txt'), 'changed');
    rmSync(join(live, 'deep/b.txt'));
    writeFileSync(join(live, 'new "x".txt'), '');
    execFileSync('git', ['add', 'new "x".txt'], { cwd: live });
    expect((await localChanges(live, git, NO_TRACES)).sort()).toEqual(['a.txt', 'deep/b.txt', 'new "x".txt']);
  });

  it('takes a link in the place of a file that the version has given up for unchanged', async () => {
    const traces = { rewritten: {}, deleted: ['a.txt'] };
    rmSync(join(live, 'a.txt'));
    symlinkSync('../shared/a.txt', join(live, 'a.txt'));
    expect(await localChanges(live, git, traces)).toEqual([]);
    expect(await localChanges(live, git, NO_TRACES)).toEqual(['a.txt']);
    rmSync(join(live, 'a.txt'));
    writeFileSync(join(live, 'a.txt'), 'somebody wants it back');
    expect(await localChanges(live, git, traces)).toEqual(['a.txt']);
  });

  it("takes what an earlier deploy's build rewrote for unchanged, as long as it is as that build left it", async () => {
    writeFileSync(join(live, 'a.txt'), 'stamped');
    const sha256 = '6b30ce5b0ed1a6ba4d9d3b4f4c5c1be4'; // not the file's
    expect(await localChanges(live, git, { rewritten: { 'a.txt': sha256 }, deleted: [] })).toEqual(['a.txt']);
    const real = execFileSync('sha256sum', [join(live, 'a.txt')])
      .toString()
      .slice(0, 64);
    expect(await localChanges(live, git, { rewritten: { 'a.txt': real }, deleted: [] })).toEqual([]);
  });
});

describe('refuseGitLocks', () => {
  it.each(['index.lock', 'HEAD.lock'])(
    'names %s, which would stop the bookkeeping after the swap',
    async (name) => {
      await refuseGitLocks(git);
      writeFileSync(join(live, '.git', name), '');
      await expect(refuseGitLocks(git)).rejects.toThrow(join(live, '.git', name));
    },
  );
});

describe('removeGitLocks', () => {
  it('removes what a git has left that was killed with a deploy, and nothing older', async () => {
    const [index, head] = ['index.lock', 'HEAD.lock'].map((name) => join(live, '.git', name)) as [
      string,
      string,
    ];
    writeFileSync(index, '');
    writeFileSync(head, '');
    utimesSync(head, 1_000, 1_000);
    expect(await removeGitLocks(git, 2_000_000)).toEqual([index]);
    expect(existsSync(index)).toBe(false);
    expect(existsSync(head)).toBe(true);
  });
});

describe('moveHead and restoreHead', () => {
  const kept = (): string => join(scratch, 'index');

  it('change HEAD and the index, and bring both back with the branch', async () => {
    const second = remote.commit({ 'a.txt': 'two', 'c.txt': 'new' });
    await ask(second);
    const before = await readHead(git);
    expect(before).toEqual({ sha: first, branch: 'refs/heads/main' });
    await moveHead(git, before, second, kept());
    expect(await readHead(git)).toEqual({ sha: second, branch: null });
    expect(readFileSync(join(live, 'a.txt'), 'utf8')).toBe('one');
    expect((await localChanges(live, git, NO_TRACES)).sort()).toEqual(['a.txt', 'c.txt']);
    await restoreHead(git, before, kept());
    await restoreHead(git, before, kept());
    expect(await readHead(git)).toEqual(before);
    expect(await localChanges(live, git, NO_TRACES)).toEqual([]);
    expect((await open(live).attempt(['rev-parse', 'main'])).stdout.trim()).toBe(first);
  });

  it('work from a repository that has no commit checked out', async () => {
    const fresh = join(scratch, 'fresh');
    mkdirSync(fresh);
    const bare = open(fresh);
    await initRepository(bare, remote.url, 'sha1');
    const before = await readHead(bare);
    expect(before.sha).toBeNull();
    const repository = { url: remote.url, given: false };
    await fetchCommit(bare, open, { ref: 'main', rule: 'any', repository }, NO_TOKEN);
    await moveHead(bare, before, first, kept());
    expect((await readHead(bare)).sha).toBe(first);
    await restoreHead(bare, before, kept());
    expect(await readHead(bare)).toEqual(before);
  });

  it('keep the flags of files that git was told not to look at', async () => {
    execFileSync('git', ['update-index', '--skip-worktree', 'deep/b.txt'], { cwd: live });
    const second = remote.commit({ 'a.txt': 'two', 'deep/b.txt': 'one' });
    await ask(second);
    await moveHead(git, await readHead(git), second, kept());
    const flags = execFileSync('git', ['ls-files', '-v', 'deep/b.txt'], { cwd: live }).toString();
    expect(flags.startsWith('S')).toBe(true);
  });
});

describe('checkOut', () => {
  it('gives the exact tree, tags included, in a clone whose settings are its own', async () => {
    execFileSync('git', ['config', 'core.hooksPath', '/live-hooks'], { cwd: live });
    remote.git('tag', 'v1');
    execFileSync('git', ['fetch', '--quiet', '--tags'], { cwd: live });
    const staging = join(scratch, 'staging');
    const config = readFileSync(join(live, '.git', 'config'), 'utf8');
    await checkOut(git, open, staging, first, NO_TOKEN);
    expect(readFileSync(join(staging, 'deep/b.txt'), 'utf8')).toBe('one');
    expect(execFileSync('git', ['describe', '--tags'], { cwd: staging }).toString().trim()).toBe('v1');
    // husky's `prepare` does this.
    execFileSync('git', ['config', 'core.hooksPath', '.husky'], { cwd: staging });
    expect(readFileSync(join(live, '.git', 'config'), 'utf8')).toBe(config);
    expect(existsSync(join(live, '.git', 'worktrees'))).toBe(false);
  });

  it('runs no post-checkout hook, of live or of a template', async () => {
    const hook = join(live, '.git', 'hooks', 'post-checkout');
    mkdirSync(join(live, '.git', 'hooks'), { recursive: true });
    writeFileSync(hook, `#!/bin/sh\ntouch ${scratch}/hooked\n`);
    chmodSync(hook, 0o755);
    await checkOut(git, open, join(scratch, 'staging'), first, NO_TOKEN);
    expect(existsSync(join(scratch, 'hooked'))).toBe(false);
  });

  it('fills submodules', async () => {
    const library = createRepository();
    library.commit({ 'lib.js': 'library' });
    const work = join(scratch, 'work');
    execFileSync('git', ['clone', '--quiet', remote.url, work]);
    const allow = [
      '-c',
      'protocol.file.allow=always',
      '-c',
      'user.name=Rig',
      '-c',
      'user.email=rig@example.com',
    ];
    execFileSync('git', [...allow, 'submodule', '--quiet', 'add', library.url, 'vendor/lib'], { cwd: work });
    execFileSync('git', [...allow, 'commit', '--quiet', '--message', 'Add a submodule'], { cwd: work });
    execFileSync('git', ['push', '--quiet'], { cwd: work });
    writeFileSync(join(scratch, '.gitconfig'), '[protocol "file"]\n\tallow = always\n');
    const sha = await ask('main');
    const staging = join(scratch, 'staging');
    await checkOut(git, open, staging, sha, NO_TOKEN);
    expect(readFileSync(join(staging, 'vendor/lib/lib.js'), 'utf8')).toBe('library');
    expect([...(await trackedFiles(git, sha)).keys()]).not.toContain('vendor/lib');
    library.remove();
  });
});

describe('showEnvFiles', () => {
  it('passes over a directory and a dangling link of such a name', () => {
    mkdirSync(join(live, '.envs'));
    symlinkSync('nowhere', join(live, '.env.local'));
    writeFileSync(join(live, '.env'), 'A=1');
    expect(envFilesIn(live)).toEqual(['.env']);
  });

  it("shows the build copies of untracked .env files, and takes them away again without touching live's", async () => {
    writeFileSync(join(live, '.env'), 'SECRET=live', { mode: 0o600 });
    const staging = join(scratch, 'staging');
    await checkOut(git, open, staging, first, NO_TOKEN);
    const shown = await showEnvFiles(live, staging, git, ['', 'deep']);
    expect(shown).toEqual(['.env']);
    writeFileSync(join(staging, '.env'), 'SECRET=build');
    expect(readFileSync(join(live, '.env'), 'utf8')).toBe('SECRET=live');
    hideEnvFiles(staging, shown);
    expect(existsSync(join(staging, '.env'))).toBe(false);
  });

  it('leaves a directory that the build made in the place of a copy: it is a part of the build', () => {
    const staging = join(scratch, 'staging');
    mkdirSync(join(staging, '.env/sub'), { recursive: true });
    hideEnvFiles(staging, ['.env']);
    expect(existsSync(join(staging, '.env/sub'))).toBe(true);
  });

  it('looks at the top, the working directory, and beside each package.json of the commit', async () => {
    const tracked = [
      'package.json',
      'apps/web/package.json',
      'apps/web/src/a.js',
      'docs/x.md',
      'not-package.json',
    ];
    expect(envDirectories(tracked, 'apps/api')).toEqual(['', 'apps/api', 'apps/web']);
    for (const path of ['apps/web', 'docs']) {
      mkdirSync(join(live, path), { recursive: true });
      writeFileSync(join(live, path, '.env'), 'A=1');
    }
    const staging = join(scratch, 'staging');
    await checkOut(git, open, staging, first, NO_TOKEN);
    const directories = envDirectories(tracked, '');
    expect(await showEnvFiles(live, staging, git, directories)).toEqual(['apps/web/.env']);
    expect(envFiles(staging, directories)).toEqual(['apps/web/.env']);
  });

  it('writes through no link of the commit, and reads none of live that leads out of it', async () => {
    const outside = join(scratch, 'outside');
    mkdirSync(outside);
    writeFileSync(join(outside, '.env'), 'SECRET=elsewhere');
    writeFileSync(join(live, '.env.local'), 'SECRET=live');
    symlinkSync(outside, join(live, 'linked'));
    const staging = join(scratch, 'staging');
    await checkOut(git, open, staging, first, NO_TOKEN);
    symlinkSync(join(outside, 'new'), join(staging, '.env.local'));
    expect(await showEnvFiles(live, staging, git, ['', 'linked'])).toEqual([]);
    expect(existsSync(join(outside, 'new'))).toBe(false);
  });
});
