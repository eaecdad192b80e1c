import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import {
  appendFileSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  realpathSync,
  rmSync,
  symlinkSync,
  truncateSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, expect, test } from 'vitest';
import { type Bundle, bundleOf } from '../../../src/runner/upload/bundle.ts';
import { excludeOf } from '../../../src/runner/upload/exclude.ts';
import { gather } from '../../../src/runner/upload/gather.ts';
import { type Pace, startPace } from '../../../src/runner/upload/line-pace.ts';
import { packOf } from '../../../src/runner/upload/pack.ts';
import { readTree } from '../../../src/runner/upload/read-tree.ts';
import { UploadError } from '../../../src/runner/upload/upload-error.ts';
import { checksum } from '../../rig/home.ts';

const scratch = realpathSync(mkdtempSync(path.join(tmpdir(), 'upload-')));
afterAll(() => rmSync(scratch, { recursive: true, force: true }));
const BUILT = 'b'.repeat(40);

let count = 0;
/** A directory with these files; a directory's name ends in a slash. */
function treeOf(files: Record<string, string | Buffer>): string {
  const top = path.join(scratch, `tree-${count++}`);
  mkdirSync(top);
  for (const [name, content] of Object.entries(files)) {
    mkdirSync(path.dirname(path.join(top, name)), { recursive: true });
    if (name.endsWith('/')) mkdirSync(path.join(top, name), { recursive: true });
    else writeFileSync(path.join(top, name), content);
  }
  return top;
}

const options = { exclude: excludeOf([]), sendsModules: true };
const read = (top: string, changes: Partial<typeof options> = {}) =>
  readTree(top, { ...options, ...changes });
const paths = async (top: string, changes: Partial<typeof options> = {}): Promise<string[]> =>
  (await read(top, changes)).entries.map((entry) => entry.path).sort();
const bundle = async (top: string): Promise<Bundle> => bundleOf((await read(top)).entries, BUILT);

async function packed(given: Bundle, pace = startPace()): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of packOf(given.objects, pace)) chunks.push(chunk);
  return Buffer.concat(chunks);
}

/** What git itself makes of the pack. */
async function unpacked(given: Bundle, pace = startPace()): Promise<string> {
  const repository = path.join(scratch, `repository-${count++}`);
  const git = (args: string[], input?: Buffer) =>
    execFileSync('git', ['-C', repository, ...args], { ...(input && { input }), stdio: 'pipe' });
  mkdirSync(repository);
  git(['init', '--quiet']);
  git(['index-pack', '--strict', '--stdin'], await packed(given, pace));
  git(['fsck', '--full', '--strict']);
  git(['checkout', '--quiet', given.commit]);
  rmSync(path.join(repository, '.git'), { recursive: true });
  return repository;
}

test('git reads what is sent, with every check, and gets the same files', async () => {
  const top = treeOf({
    'package.json': '{}',
    empty: '',
    'same-as-empty': '',
    [`${'d'.repeat(200)}/${'e'.repeat(200)}/${'f'.repeat(200)}.js`]: 'long',
    'größe/日本 語\n[id].txt': 'odd',
    'a.b/x': '1',
    'a/x': '2',
    'a-b': '3',
    'image.png': randomBytes(40_000),
    'large.bin': randomBytes(3_000_000),
    'sparse.bin': '',
    '-rf': 'an option?',
    'back\\slash': 'x',
  });
  truncateSync(path.join(top, 'sparse.bin'), 20_000_000);
  execFileSync('chmod', ['755', path.join(top, 'package.json')]);
  symlinkSync('../a/x', path.join(top, 'a.b/link'));
  symlinkSync(path.join(top, 'größe'), path.join(top, 'absolute'));
  symlinkSync('gone', path.join(top, 'dangling'));
  const out = await unpacked(await bundle(top));
  const uncompressed = { took() {}, compresses: () => false };
  expect(checksum(await unpacked(await bundle(top), uncompressed))).toBe(checksum(out));
  // An absolute link within the tree leads to the same place there.
  rmSync(path.join(top, 'absolute'));
  symlinkSync('größe', path.join(top, 'absolute'));
  expect(checksum(out)).toBe(checksum(top));
});

test('on a slow line all is compressed; a fast one gets most as it is', async () => {
  const text = (file: number): string =>
    randomBytes(12_000).toString('base64') + `export const part${file} = 1;\n`.repeat(1_000);
  const files = Array.from({ length: 600 }, (_, file) => [`${file}.js`, text(file)]);
  const given = await bundle(treeOf(Object.fromEntries(files)));
  const slow = startPace();
  const line = (rate: number): Pace => ({ ...slow, took: (bytes) => slow.took(bytes, bytes / rate) });
  expect((await packed(given, line(12_500))).length).toBeLessThan(given.size / 2);
  const fast = startPace();
  const pack = await packed(given, { ...fast, took: (bytes) => fast.took(bytes, bytes / 500_000) });
  expect(pack.length).toBeGreaterThan(given.size * 0.5);
});

test('a line that becomes slow is noticed', () => {
  const pace = startPace();
  const sent = (rate: number) => pace.took(1_000_000, 1_000_000 / rate);
  const compressed = [500_000, 500_000, 500_000, 500_000, 500_000, 10_000, 10_000].map((rate) => {
    sent(rate);
    return pace.compresses();
  });
  // What the SSH server takes before anybody reads it comes first.
  expect(compressed).toEqual([true, true, true, false, false, true, true]);
});

test('the same files of the same commit are one upload; another file, mode or commit is another', async () => {
  const files = { 'a/b.js': 'x', 'c.js': 'y' };
  const { commit } = await bundle(treeOf(files));
  expect((await bundle(treeOf(files))).commit).toBe(commit);
  const changed = treeOf(files);
  execFileSync('chmod', ['755', path.join(changed, 'c.js')]);
  const others = [
    await bundle(changed),
    await bundle(treeOf({ ...files, 'c.js': 'z' })),
    await bundleOf((await read(treeOf(files))).entries, 'c'.repeat(40)),
  ];
  expect(new Set([commit, ...others.map((one) => one.commit)]).size).toBe(4);
});

test.each<[string, (top: string) => void]>([
  ['was written', (top) => writeFileSync(path.join(top, 'log'), 'other')],
  ['grew', (top) => appendFileSync(path.join(top, 'log'), 'more')],
  ['shrank', (top) => truncateSync(path.join(top, 'large'), 1_500_000)],
  ['was written and is large', (top) => writeFileSync(path.join(top, 'large'), Buffer.alloc(2_000_000, 1))],
])('a file that %s before it is sent ends the upload, by its name', async (_how, change) => {
  const top = treeOf({ log: 'start', large: Buffer.alloc(2_000_000) });
  const given = await bundle(top);
  change(top);
  await expect(packed(given)).rejects.toThrow(/^(log|large) changed while it was read/);
});

test('a file that is written between the look at it and the reading of it ends the upload', async () => {
  const top = treeOf({ log: 'start' });
  // Some kernels give the same time to all that is written within 4 ms.
  utimesSync(path.join(top, 'log'), 1, 1);
  const { entries } = await read(top);
  writeFileSync(path.join(top, 'log'), 'other');
  await expect(bundleOf(entries, BUILT)).rejects.toThrow('log changed while it was read');
});

test('git-specific files are never sent, and empty directories are named', async () => {
  const top = treeOf({
    '.git/config': 'token',
    'sub/.git': 'gitdir: ..',
    '.gitattributes': '* text',
    'sub/.gitmodules': '',
    '.GIT/x': '',
    '.gitignore': 'dist',
    'dist/app.js': '',
    'logs/': '',
  });
  expect(await paths(top)).toEqual(['.gitignore', 'dist/app.js']);
  expect((await read(top)).empty).toEqual(['logs']);
});

test('node_modules is left out if the server installs, except below a directory that begins with a dot', async () => {
  const top = treeOf({
    'node_modules/a.js': '',
    'packages/x/node_modules/b.js': '',
    '.next/standalone/node_modules/c.js': '',
    'app.js': '',
  });
  expect(await paths(top, { sendsModules: false })).toEqual(['.next/standalone/node_modules/c.js', 'app.js']);
  expect(await paths(top)).toHaveLength(4);
});

test.each<[string, string[]]>([
  ['*.map', ['a.js', 'docs/a.md', 'docs/deep/b.md', 'src/docs/c.md']],
  ['docs', ['a.js', 'a.map', 'src/d.map']],
  ['/docs', ['a.js', 'a.map', 'src/d.map', 'src/docs/c.md']],
  ['docs/**/*.md', ['a.js', 'a.map', 'src/d.map', 'src/docs/c.md']],
  ['**/docs/*.md', ['a.js', 'a.map', 'docs/deep/b.md', 'src/d.map']],
  ['docs/**', ['a.js', 'a.map', 'src/d.map', 'src/docs/c.md']],
  ['?.js', ['a.map', 'docs/a.md', 'docs/deep/b.md', 'src/d.map', 'src/docs/c.md']],
])('upload-exclude %s leaves the others', async (pattern, left) => {
  const names = ['a.js', 'a.map', 'docs/a.md', 'docs/deep/b.md', 'src/d.map', 'src/docs/c.md'];
  const top = treeOf(Object.fromEntries(names.map((name) => [name, name])));
  const exclude = excludeOf([pattern, 'never']);
  expect(await paths(top, { exclude })).toEqual(left);
  expect(exclude.unused()).toEqual(['never']);
});

test.each<[string, (top: string) => void, RegExp]>([
  [
    'a link out',
    (top) => symlinkSync('../../etc', path.join(top, 'a/out')),
    /link a\/out leads out of upload-path, to \.\.\/\.\.\/etc/,
  ],
  [
    'a link to itself',
    (top) => symlinkSync('circle', path.join(top, 'circle')),
    /link circle leads to itself/,
  ],
  ['an absolute link out', (top) => symlinkSync('/etc/passwd', path.join(top, 'out')), /link out leads out/],
  [
    'a link out by way of another',
    (top) => {
      symlinkSync('.', path.join(top, 'here'));
      symlinkSync('here/..', path.join(top, 'out'));
    },
    /link out leads out/,
  ],
  ['a named pipe', (top) => execFileSync('mkfifo', [path.join(top, 'a/pipe')]), /a\/pipe is a named pipe/],
  [
    'a socket',
    (top) =>
      execFileSync(
        process.execPath,
        [
          '-e',
          `require('net').createServer().listen(${JSON.stringify(path.join(top, 'sock'))}, () => process.kill(process.pid, 'SIGKILL'))`,
        ],
        { stdio: 'ignore' },
      ),
    /sock is a socket/,
  ],
  [
    'a name that is no text',
    (top) => writeFileSync(Buffer.concat([Buffer.from(`${top}/caf`), Buffer.from([0xe9])]), ''),
    /is not valid UTF-8/,
  ],
])('%s is refused, with what to do', async (_what, make, message) => {
  const top = treeOf({ 'a/b': '' });
  try {
    make(top);
  } catch {
    // The one that made the socket was killed, so that nothing removed it.
  }
  const error = await read(top).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UploadError);
  expect((error as UploadError).message).toMatch(message);
  expect((error as UploadError).remedy).toContain('upload-exclude');
});

test.each<[string, string]>([
  ['gone', "upload-path 'gone' is not there"],
  ['*/dist', 'no pattern'],
  ['package.json', "'package.json' is a file"],
  ['empty', 'There is no file to send'],
  ['..', 'leads out of the workspace'],
  ['/etc', 'leads out of the workspace'],
  ['link', 'leads out of the workspace'],
])('upload-path %s is refused', async (given, why) => {
  const workspace = treeOf({ 'package.json': '{}', 'empty/': '' });
  symlinkSync(tmpdir(), path.join(workspace, 'link'));
  const wishes = { path: given, exclude: [], sendsModules: true, builtFrom: BUILT };
  const error = await gather(wishes, workspace, { say() {}, warn() {} }).catch((thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(UploadError);
  expect(`${(error as UploadError).message} ${(error as UploadError).remedy}`).toContain(why);
});

test('what is sent is said, and a pattern that matches nothing is a warning', async () => {
  const workspace = treeOf({ 'dist/a.js': 'x', 'dist/node_modules/b.js': '', 'dist/logs/': '' });
  const said: string[] = [];
  const log = { say: (text: string) => void said.push(text), warn: (text: string) => void said.push(text) };
  const wishes = {
    path: path.join(workspace, 'dist'),
    exclude: ['*.mapp'],
    sendsModules: false,
    builtFrom: BUILT,
  };
  const { commit } = await gather(wishes, workspace, log);
  expect(said).toEqual([
    `upload-path holds 1 file, 1 kB. With the commit ${BUILT} they are the upload ${commit}.`,
    'Not sent: node_modules. The server installs the packages. Set install-command to none to send them.',
    'Not sent, because they are empty: logs.',
    'upload-exclude: nothing in upload-path matches *.mapp. Look for a typing error.',
  ]);
  expect(readFileSync(path.join(workspace, 'dist/a.js'), 'utf8')).toBe('x');
});
