import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { fetchCommit, findCommit, createRepository as initRepository } from '../../../src/host/git/fetch.ts';
import type { Git } from '../../../src/host/git/git.ts';
import { type RefRule, ruleOf } from '../../../src/host/git/resolve-ref.ts';
import { type GitServer, startGitServer } from '../../rig/git-server.ts';
import { checksum } from '../../rig/home.ts';
import { createRepository, type Repository } from '../../rig/repository.ts';
import { openGit } from './open-git.ts';

const TOKEN = 'ghs_readsTheShop';

/** As on GitHub: what a fork has proposed is in the same store, under refs/pull. */
let shop: Repository;
let github: GitServer;
let scratch: string;
let temporary: string;
let live: string;
const ids: Record<'first' | 'second' | 'tip' | 'fork', string> = { first: '', second: '', tip: '', fork: '' };

beforeAll(async () => {
  shop = createRepository();
  ids.first = shop.commit({ 'a.txt': 'one' });
  shop.git('tag', '-a', '-m', 'x', 'v1');
  ids.second = shop.commit({ 'a.txt': 'two' });
  ids.fork = shop.commit({ 'a.txt': 'a stranger' });
  shop.git('update-ref', 'refs/pull/7/head', ids.fork);
  shop.git('update-ref', 'refs/heads/main', ids.second);
  ids.tip = shop.commit({ 'a.txt': 'three' });
  github = await startGitServer({
    repositories: { 'acme/shop': shop.path },
    reads: { [TOKEN]: ['acme/shop'] },
  });
});
afterAll(async () => {
  await github?.stop();
  shop?.remove();
});

beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'resolve-'));
  live = join(scratch, 'app');
  temporary = join(scratch, 'tmp');
  mkdirSync(temporary);
  process.env.TMPDIR = temporary;
  writeFileSync(join(scratch, '.gitconfig'), `[http]\n\tsslCAInfo = ${github.ca}\n`);
  for (const [name, value] of [
    ['allowFilter', 'true'],
    ['allowAnySHA1InWant', 'true'],
  ] as const)
    shop.git('config', `uploadpack.${name}`, value);
});
afterEach(() => {
  delete process.env.TMPDIR;
  rmSync(scratch, { recursive: true, force: true });
});

const open = (directory: string): Git => openGit(directory, scratch);
const wanted = (ref: string, rule: RefRule) => ({
  ref,
  rule,
  repository: { url: `${github.url}/acme/shop.git`, given: false },
});
const access = () => ({ gitToken: { value: TOKEN, server: github.url }, say: () => {} });
const problemOf = (work: Promise<unknown>): Promise<string | null> =>
  work.then(
    () => null,
    (error: Error) => error.message,
  );

/** What a check says, having left no trace; then what a deploy does. Both are to agree. */
async function tryBoth(ref: string, rule: RefRule): Promise<string> {
  const before = checksum(scratch);
  const checked = await problemOf(findCommit(open(live), open, wanted(ref, rule), access()));
  expect(checksum(scratch)).toBe(before);
  let sha = '';
  const deployed = await problemOf(
    fetchCommit(open(live), open, wanted(ref, rule), access()).then((fetched) => {
      sha = fetched;
    }),
  );
  expect(deployed).toBe(checked);
  expect(readdirSync(temporary)).toEqual([]);
  return deployed ?? sha;
}

describe.each(['a first deploy', 'a full clone', 'a shallow clone'])('in %s', (kind) => {
  beforeEach(async () => {
    if (kind === 'a first deploy') {
      mkdirSync(live);
      await initRepository(open(live), `${github.url}/acme/shop.git`, 'sha1');
      return;
    }
    const depth = kind === 'a shallow clone' ? ['--depth=1'] : [];
    execFileSync('git', ['clone', '--quiet', ...depth, '--branch=main', shop.url, live]);
    execFileSync('git', ['-C', live, 'remote', 'set-url', 'origin', `${github.url}/acme/shop.git`]);
  });

  it.each([
    ['main', 'tip'],
    ['v1', 'first'],
    ['the id of a tip', 'tip'],
    ['an id between', 'second'],
    ['the beginning of an id', 'second'],
  ] as const)('%s is what it stands for', async (what, name) => {
    const ref = what.includes('beginning') ? ids[name].slice(0, 9) : what.includes('id') ? ids[name] : what;
    expect(await tryBoth(ref, 'tracked')).toBe(ids[name]);
  });

  it("a fork's commit is refused by its ref, its id, and the beginning of that, though it is here already", async () => {
    const refused = async () => {
      expect(await tryBoth('refs/pull/7/head', 'tracked')).toContain('is neither a branch nor a tag');
      expect(await tryBoth(ids.fork, 'tracked')).toContain('No branch or tag of the repository contains');
      expect(await tryBoth(ids.fork.slice(0, 9), 'tracked')).toContain('has no branch, tag or commit');
    };
    await refused();
    expect(await tryBoth('refs/pull/7/head', 'any')).toBe(ids.fork);
    await refused();
    expect(await tryBoth(ids.fork, 'any')).toBe(ids.fork);
  });

  it('a commit that the repository lacks is refused in a check and in a deploy', async () => {
    expect(await tryBoth('f'.repeat(40), 'any')).toContain('The repository has no commit');
    expect(await tryBoth('f'.repeat(40), 'tracked')).toContain('No branch or tag of the repository contains');
    expect(await tryBoth('f'.repeat(64), 'tracked')).toContain('No branch or tag of the repository contains');
    expect(await tryBoth('no-such-branch', 'tracked')).toContain("has no branch or tag 'no-such-branch'");
  });
});

it('a server that leaves out no files and gives no commit by its id answers the same', async () => {
  shop.git('config', 'uploadpack.allowFilter', 'false');
  shop.git('config', 'uploadpack.allowAnySHA1InWant', 'false');
  execFileSync('git', ['clone', '--quiet', shop.url, live]);
  execFileSync('git', ['-C', live, 'remote', 'set-url', 'origin', `${github.url}/acme/shop.git`]);
  expect(await tryBoth(ids.second, 'tracked')).toBe(ids.second);
  expect(await tryBoth(ids.fork, 'tracked')).toContain('No branch or tag of the repository contains');
});

describe('ruleOf', () => {
  it.each([
    ['workflow', false, 'any'],
    ['input', false, 'tracked'],
    ['fork', false, 'tracked'],
    ['input', true, 'any'],
    ['fork', true, 'any'],
  ] as const)('a ref of %s, allowed: %s', (refOrigin, allowUntrackedRef, rule) => {
    expect(ruleOf({ refOrigin, allowUntrackedRef })).toBe(rule);
  });
});
