import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { checkOut } from '../../../src/host/build/staging-clone.ts';
import { localChanges, moveHead, readHead } from '../../../src/host/git/checkout.ts';
import { fetchCommit } from '../../../src/host/git/fetch.ts';
import type { Git } from '../../../src/host/git/git.ts';
import { createRepository, type Repository } from '../../rig/repository.ts';
import { openGit } from './open-git.ts';

const REPOSITORY = { url: 'https://nowhere.example/x/y.git', given: false };
const NO_TOKEN = { gitToken: null, say: () => {}, repository: REPOSITORY };
const NO_TRACES = { rewritten: {}, deleted: [] };

let remote: Repository;
let scratch: string;
let live: string;
let first: string;

const open = (directory: string): Git => openGit(directory, scratch);
const plain = (...args: string[]): string =>
  execFileSync('git', args, { cwd: live, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
const ask = (ref: string): Promise<string> =>
  fetchCommit(
    open(live),
    open,
    { ref, rule: 'tracked', repository: { url: remote.url, given: false } },
    NO_TOKEN,
  );
const version = (text: string): Record<string, string> => ({ 'web/a.txt': text, 'docs/b.txt': text });

/** The files of a staging clone of the commit. */
async function staged(sha: string): Promise<string> {
  const staging = mkdtempSync(join(scratch, 'staging-'));
  rmSync(staging, { recursive: true });
  await checkOut(open(live), open, staging, sha, NO_TOKEN);
  return staging;
}

beforeEach(() => {
  remote = createRepository();
  scratch = mkdtempSync(join(tmpdir(), 'clones-'));
  remote.commit(version('none'));
  first = remote.commit(version('one'));
  live = join(scratch, 'app');
});
afterEach(() => {
  remote.remove();
  rmSync(scratch, { recursive: true, force: true });
});

test('a shallow checkout is deployed, goes back beyond its history, and stays shallow', async () => {
  execFileSync('git', ['clone', '--quiet', '--depth=1', remote.url, live]);
  const second = remote.commit(version('two'));
  expect(await ask('main')).toBe(second);
  expect(readFileSync(join(await staged(second), 'web/a.txt'), 'utf8')).toBe('two');
  const before = remote.git('rev-parse', `${first}~1`);
  expect(await ask(before)).toBe(before);
  expect(readFileSync(join(await staged(before), 'web/a.txt'), 'utf8')).toBe('none');
  expect(plain('rev-parse', '--is-shallow-repository')).toBe('true');
});

test.each(['--cone', '--no-cone'])(
  'a sparse checkout (%s) gets a version that is as sparse, and stays so',
  async (kind) => {
    execFileSync('git', ['clone', '--quiet', remote.url, live]);
    plain('sparse-checkout', 'set', kind, 'web');
    expect(readdirSync(live)).not.toContain('docs');
    const second = remote.commit(version('two'));
    await ask('main');
    const staging = await staged(second);
    expect(readFileSync(join(staging, 'web/a.txt'), 'utf8')).toBe('two');
    expect(existsSync(join(staging, 'docs'))).toBe(false);
    expect(await localChanges(live, open(live), NO_TRACES)).toEqual([]);

    rmSync(join(live, 'web'), { recursive: true });
    execFileSync('cp', ['-r', join(staging, 'web'), live]);
    await moveHead(open(live), await readHead(open(live)), second, join(scratch, 'index'));
    expect(plain('rev-parse', 'HEAD')).toBe(second);
    expect(plain('status', '--porcelain')).toBe('');
  },
);

test('a branch that was pushed by force is taken as it is now, and its old commit only where something still has it', async () => {
  execFileSync('git', ['clone', '--quiet', remote.url, live]);
  const lost = remote.commit(version('lost'));
  expect(await ask('main')).toBe(lost);
  remote.git('reset', '--soft', first);
  const second = remote.commit(version('two'));
  expect(await ask('main')).toBe(second);
  expect(readFileSync(join(await staged(second), 'web/a.txt'), 'utf8')).toBe('two');
  await expect(ask(lost)).rejects.toThrow(lost);
  remote.git('tag', 'kept', lost);
  expect(await ask(lost)).toBe(lost);
});
