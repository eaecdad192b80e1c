import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, afterEach, beforeEach, expect, test } from 'vitest';
import { createRepository as initRepository } from '../../../src/host/git/fetch.ts';
import type { Git } from '../../../src/host/git/git.ts';
import { peek } from '../../../src/host/git/peek.ts';
import { checksum } from '../../rig/home.ts';
import { createRepository } from '../../rig/repository.ts';
import { openGit } from './open-git.ts';

const shop = createRepository();
const sha = shop.commit({
  'ecosystem.config.js': 'module.exports = {};',
  'package.json': '{}',
  'picture.svg': '<svg/>',
  'large.json': JSON.stringify('x'.repeat(300_000)),
  'apps/web/package.json': '{"name":"web"}',
  'apps/web/src/index.js': '',
  'apps/api/package.json': '{}',
});
afterAll(() => shop.remove());

let home: string;
let live: string;
beforeEach(async () => {
  home = mkdtempSync(join(tmpdir(), 'peek-'));
  live = join(home, 'app');
  mkdirSync(live);
  await initRepository(open(live), shop.url, 'sha1');
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

const open = (directory: string): Git => openGit(directory, home);
const look = <T>(id: string, directories: string[], work: (top: string) => Promise<T>): Promise<T | null> =>
  peek(
    open(live),
    open,
    { sha: id, directories, repository: { url: shop.url, given: false } },
    { gitToken: null, say: () => {} },
    work,
  );

test.each<[string[], string[]]>([
  [[''], ['ecosystem.config.js', 'package.json']],
  [['apps/web'], ['apps/web/package.json']],
  [
    ['', 'apps/web'],
    ['apps/web/package.json', 'ecosystem.config.js', 'package.json'],
  ],
  [['none'], []],
])('of %j it lays small settings files, and leaves no trace', async (directories, wanted) => {
  shop.git('config', 'uploadpack.allowFilter', 'true');
  const before = checksum(home);
  let top = '';
  const found = await look(sha, directories, async (there) => {
    top = there;
    return readdirSync(there, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name).slice(there.length + 1))
      .sort();
  });
  expect(found).toEqual(wanted);
  expect(checksum(home)).toBe(before);
  expect(() => readdirSync(top)).toThrow('ENOENT');
});

test('a commit that the server does not hand out is not looked at', async () => {
  expect(await look('0'.repeat(40), [''], async () => 'looked')).toBe(null);
  expect(await look(sha, [''], async (top) => readFileSync(join(top, 'package.json'), 'utf8'))).toBe('{}');
});
