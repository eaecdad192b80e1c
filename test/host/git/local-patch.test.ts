import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { gitIn } from '../../../src/host/git/git.ts';
import { saveLocalPatch } from '../../../src/host/git/local-patch.ts';
import { createClock } from '../../../src/host/system/clock.ts';

let scratch: string;
let live: string;
let file: string;
beforeEach(() => {
  scratch = mkdtempSync(join(tmpdir(), 'patch-'));
  live = join(scratch, 'live');
  file = join(scratch, 'state', 'local-changes.patch');
  mkdirSync(join(scratch, 'state'));
  // Settings that change how git shows a diff.
  writeFileSync(
    join(scratch, '.gitconfig'),
    '[user]\nname = Rig\nemail = rig@example.com\n[diff]\nnoprefix = true\nmnemonicPrefix = true\nexternal = false\nrenames = copies\ncontext = 0\nsubmodule = log\n[color]\nui = always\n[protocol "file"]\nallow = always\n',
  );
});
afterEach(() => rmSync(scratch, { recursive: true, force: true }));

const env = (): NodeJS.ProcessEnv => ({ PATH: process.env.PATH, HOME: scratch, GIT_CONFIG_NOSYSTEM: '1' });
const git = (directory: string, ...args: string[]): string =>
  execFileSync('git', args, { cwd: directory, env: env(), encoding: 'latin1', stdio: 'pipe' }).trim();
const open = (directory: string) =>
  gitIn(directory, { env: env(), clock: createClock(), timeLimit: 10_000, locks: new Set() });

function repository(directory: string, files: Record<string, string | Buffer>): void {
  mkdirSync(directory);
  git(directory, 'init', '--quiet');
  for (const [path, content] of Object.entries(files)) {
    mkdirSync(join(directory, path, '..'), { recursive: true });
    writeFileSync(join(directory, path), content);
  }
  git(directory, 'add', '--all');
  git(directory, 'commit', '--quiet', '--message', 'One');
}

/** The tree of all tracked files as they lie there, by git's own reckoning. */
function tree(directory: string): string {
  git(directory, 'add', '--all', '--force');
  return git(directory, 'write-tree');
}

const FILES = {
  'package-lock.json': `{\n${'  "a": 1,\n'.repeat(40)}  "b": 2\n}\n`,
  'latin1.txt': Buffer.from('gr\xfc\xdfe\nzwei\n', 'latin1'),
  'dos.txt': 'one\r\ntwo\r\n',
  'image.bin': Buffer.from([0, 1, 2, 255, 254, 0]),
  'no-end': 'no line end',
  'gone.js': 'x\n',
  'gone-staged.js': 'y\n',
  'run.sh': 'echo\n',
  'a "b" ü\tc*.txt': 'odd\n',
  'moved/from.txt': 'a long enough text to be taken for a rename\n',
  'becomes-link': 'file\n',
};

it('has everything: binary and other encodings, modes, deletions, odd names, staged and not', async () => {
  repository(live, FILES);
  writeFileSync(join(live, 'package-lock.json'), FILES['package-lock.json'].replace('"b": 2', '"b": 3'));
  writeFileSync(join(live, 'latin1.txt'), Buffer.from('gr\xfc\xdfe\ndr\xe9i\n', 'latin1'));
  writeFileSync(join(live, 'dos.txt'), 'one\r\nthree\r\n');
  writeFileSync(join(live, 'image.bin'), Buffer.from([9, 0, 1, 2, 255, 0]));
  writeFileSync(join(live, 'no-end'), 'still no line end');
  rmSync(join(live, 'gone.js'));
  git(live, 'rm', '--quiet', 'gone-staged.js');
  chmodSync(join(live, 'run.sh'), 0o755);
  writeFileSync(join(live, 'a "b" ü\tc*.txt'), 'odder\n');
  git(live, 'mv', 'moved/from.txt', 'moved/to.txt');
  writeFileSync(join(live, 'added.txt'), 'staged\n');
  git(live, 'add', 'added.txt');
  rmSync(join(live, 'becomes-link'));
  symlinkSync('run.sh', join(live, 'becomes-link'));
  const paths = git(live, 'diff', '--name-only', '--no-renames', '-z', 'HEAD').split('\0').filter(Boolean);
  const utf8 = paths.map((path) => Buffer.from(path, 'latin1').toString('utf8'));

  const files = await saveLocalPatch(open(live), [{ git: open(live), prefix: '', paths: utf8 }], file);
  expect(files[0]).toBe(file);
  expect(readdirSync(join(scratch, 'state')).filter((name) => name.endsWith('.part'))).toEqual([]);
  for (const one of files) expect(statSync(one).mode & 0o777).toBe(0o600);
  const fresh = join(scratch, 'fresh');
  git(scratch, 'clone', '--quiet', live, fresh);
  git(fresh, 'apply', file);
  expect(tree(fresh)).toBe(tree(live));
});

it('has what is staged in a second patch if the files say something else', async () => {
  repository(live, { a: '1\n', b: '1\n' });
  writeFileSync(join(live, 'a'), 'staged\n');
  git(live, 'add', 'a');
  writeFileSync(join(live, 'a'), 'later\n');
  const staged = git(live, 'write-tree');
  const files = await saveLocalPatch(open(live), [{ git: open(live), prefix: '', paths: ['a'] }], file);
  expect(files).toEqual([file, file.replace('.patch', '.staged.patch')]);
  const fresh = join(scratch, 'fresh');
  git(scratch, 'clone', '--quiet', live, fresh);
  git(fresh, 'apply', '--index', files[1] ?? '');
  expect(git(fresh, 'write-tree')).toBe(staged);
  git(fresh, 'reset', '--quiet', '--hard');
  git(fresh, 'apply', file);
  expect(tree(fresh)).toBe(tree(live));
});

it('has the changes in submodules under their paths in the app', async () => {
  const library = join(scratch, 'library');
  repository(library, { 'lib.js': 'one\n' });
  repository(live, { a: '1\n' });
  git(live, 'submodule', '--quiet', 'add', library, 'vendor/lib');
  git(live, 'commit', '--quiet', '--all', '--message', 'Two');
  writeFileSync(join(live, 'a'), '2\n');
  writeFileSync(join(live, 'vendor/lib/lib.js'), 'two\n');
  const changed = [
    { git: open(live), prefix: '', paths: ['a'] },
    { git: open(join(live, 'vendor/lib')), prefix: 'vendor/lib/', paths: ['lib.js'] },
  ];
  await saveLocalPatch(open(live), changed, file);
  const fresh = join(scratch, 'fresh');
  git(scratch, 'clone', '--quiet', '--recurse-submodules', live, fresh);
  git(fresh, 'apply', file);
  expect(
    execFileSync('cat', [join(fresh, 'vendor/lib/lib.js'), join(fresh, 'a')], { encoding: 'utf8' }),
  ).toBe('two\n2\n');
});

it('is refused, and nothing is left, if it does not say what the files hold', async () => {
  repository(live, { a: '1\n' });
  writeFileSync(join(live, 'a'), '2\n');
  const elsewhere = join(scratch, 'elsewhere');
  repository(elsewhere, { a: 'other\n' });
  const changed = [{ git: open(live), prefix: '', paths: ['a'] }];
  await expect(saveLocalPatch(open(elsewhere), changed, file)).rejects.toThrow('cannot be saved as a patch');
  expect(readdirSync(join(scratch, 'state'))).toEqual([]);
});
