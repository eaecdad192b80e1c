import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { checkOut } from '../../../src/host/build/staging-clone.ts';
import { fetchCommit, createRepository as initRepository } from '../../../src/host/git/fetch.ts';
import type { Git } from '../../../src/host/git/git.ts';
import { formatOfRemote, isFullId } from '../../../src/host/git/object-format.ts';
import { openRemote } from '../../../src/host/git/remote.ts';
import { createRepository, type Repository } from '../../rig/repository.ts';
import { openGit } from './open-git.ts';

const REPOSITORY = { url: 'https://nowhere.example/x/y.git', given: false };
const ACCESS = { gitToken: null, say: () => {}, repository: REPOSITORY };
let scratch: string;
let remote: Repository;

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'format-'));
  writeFileSync(join(scratch, '.gitconfig'), '[protocol "file"]\n\tallow = always\n');
});
afterEach(() => {
  remote.remove();
  rmSync(scratch, { recursive: true, force: true });
});

const open = (directory: string): Git => openGit(directory, scratch);
const repository = (): { url: string; given: boolean } => ({ url: remote.url, given: true });
const main = () => ({ ref: 'main', rule: 'tracked' as const, repository: repository() });
const formatNow = async () => formatOfRemote(await openRemote(open('/'), repository(), ACCESS));

it.each(['sha1', 'sha256'] as const)(
  'a remote of %s is known before there is a repository for it',
  async (format) => {
    remote = createRepository(format);
    expect(await formatNow()).toBe('sha1');
    const sha = remote.commit({ 'a.txt': 'one' });
    expect(isFullId(sha)).toBe(true);
    expect(await formatNow()).toBe(format);
    remote.git('symbolic-ref', 'HEAD', 'refs/heads/gone');
    expect(await formatNow()).toBe(format);
  },
);

it('a SHA-256 repository is fetched and checked out aside, with its submodules', async () => {
  remote = createRepository('sha256');
  const library = createRepository('sha256');
  const inner = library.commit({ 'lib.js': 'library' });
  remote.commit({ '.gitmodules': `[submodule "lib"]\n\tpath = vendor/lib\n\turl = ${library.url}\n` });
  remote.git('update-index', '--add', '--cacheinfo', `160000,${inner},vendor/lib`);
  remote.git('commit', '--quiet', '--message', 'Add a submodule');
  const sha = remote.git('rev-parse', 'HEAD');

  const live = open(join(scratch, 'app'));
  mkdirSync(live.directory);
  await initRepository(live, remote.url, 'sha256');
  expect(await fetchCommit(live, open, main(), ACCESS)).toBe(sha);
  await checkOut(live, open, join(scratch, 'staging'), sha, ACCESS);
  expect(existsSync(join(scratch, 'staging/vendor/lib/lib.js'))).toBe(true);
  library.remove();
});

it('a checkout of the other format is named as such, with what to do', async () => {
  remote = createRepository('sha256');
  remote.commit({ 'a.txt': 'one' });
  const live = join(scratch, 'app');
  execFileSync('git', ['init', '--quiet', live]);
  const fetched = fetchCommit(open(live), open, main(), ACCESS);
  await expect(fetched).rejects.toMatchObject({
    remedy: expect.stringContaining('different hashes (SHA-1 and SHA-256)'),
  });
});
