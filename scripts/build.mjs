// Builds the programs of the action, index.js, post.js, host.js and follower.js, into dist/ or into the directory that is given.
// `--if-changed` builds only when the sources or the output differ from what the last build saw and made.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { completed, ownTexts, packagesOf } from './licenses.mjs';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const DIST = path.join(ROOT, 'dist');
const LIB = path.join(ROOT, 'lib');
const STAMP = path.join(LIB, 'last-build.json');
const OUTPUTS = ['index.js', 'post.js', 'host.js', 'follower.js', 'licenses.txt'];
const INPUTS = [
  'src',
  'scripts/build.mjs',
  'scripts/licenses.mjs',
  'scripts/licenses',
  'package-lock.json',
  'tsconfig.json',
  'tsconfig.build.json',
];
/** What ncc emits beside the bundle and nothing that runs on Linux or macOS ever opens: Pageant is of Windows. */
const LEFT_OUT = ['pagent.exe'];
/** PM2 is under the AGPL: a tool of the tests, never a part of what is shipped. */
const NEVER_SHIPPED = /[\\/]node_modules[\\/](?:@pm2|pm2[^\\/]*)[\\/]/;
const ANY_PACKAGE = /[\\/]node_modules[\\/]/;

const args = process.argv.slice(2);
const out = path.resolve(args.find((arg) => !arg.startsWith('-')) ?? DIST);

if (!args.includes('--if-changed') || stamp() !== lastStamp()) {
  try {
    build();
  } catch (error) {
    console.error(error.message);
    process.exit(1);
  }
  if (out === DIST) writeFileSync(STAMP, JSON.stringify(stamp()));
}

function build() {
  mkdirSync(LIB, { recursive: true });
  // A name of its own, so that two builds at once do not meet. Module ids are relative to it: it is in no output.
  const work = mkdtempSync(path.join(LIB, 'build-'));
  try {
    run(
      path.join(ROOT, 'node_modules/typescript/bin/tsc'),
      ['-p', 'tsconfig.build.json', '--outDir', work],
      ROOT,
    );
    const action = bundle(work, 'main.js', NEVER_SHIPPED);
    const post = bundle(work, 'post.js', NEVER_SHIPPED);
    const licenses = path.join(action.directory, 'licenses.txt');
    const packages = packagesOf([...action.files, ...post.files]);
    writeFileSync(licenses, completed(readFileSync(licenses, 'utf8'), packages, ownTexts()));
    // What runs on the host has no dependency, so its license is the project's own and no text is to be merged.
    const host = bundle(work, 'host/main.js', ANY_PACKAGE);
    const follower = bundle(work, 'host/program/follower.js', ANY_PACKAGE);
    place([
      [action.directory, 'index.js', 'index.js'],
      [action.directory, 'licenses.txt', 'licenses.txt'],
      [post.directory, 'index.js', 'post.js'],
      [host.directory, 'index.js', 'host.js'],
      [follower.directory, 'index.js', 'follower.js'],
    ]);
  } finally {
    rmSync(work, { recursive: true, force: true });
  }
}

/** Bundles one program, none of whose modules may match `refused`. Returns its directory, and the files it was made of. */
function bundle(work, entry, refused) {
  const made = mkdtempSync(path.join(work, 'bundle-'));
  const stats = path.join(work, 'stats.json');
  const ncc = path.join(ROOT, 'node_modules/@vercel/ncc/dist/ncc/cli.js');
  run(
    ncc,
    ['build', entry, '-o', made, '--license', 'licenses.txt', '--no-cache', '-q', '--stats-out', stats],
    work,
  );
  const files = sources(JSON.parse(readFileSync(stats, 'utf8')).modules);
  for (const source of files) {
    if (refused.test(source)) {
      throw new Error(`${entry} would ship ${path.relative(ROOT, source)}, which it may not contain.`);
    }
  }
  for (const name of readdirSync(made)) {
    if (!['index.js', 'licenses.txt', ...LEFT_OUT].includes(name)) {
      throw new Error(
        `ncc made ${name} beside ${entry}. A bundle is one file; where this is a native add-on, remove ` +
          'node_modules and run npm ci, which builds none.',
      );
    }
  }
  return { directory: made, files };
}

/** The files that a bundle was made of: a module may be several in one, and its identifier names loaders first. */
function sources(modules) {
  return modules.flatMap((module) =>
    module.modules ? sources(module.modules) : [module.identifier.split('!').at(-1)],
  );
}

/** Puts each file in place by a rename, so that nobody runs half of one, and removes what is no output of ours. */
function place(files) {
  mkdirSync(out, { recursive: true });
  for (const [directory, from, to] of files) {
    const target = path.join(out, to);
    try {
      renameSync(path.join(directory, from), target);
    } catch (error) {
      if (error.code !== 'EXDEV') throw error;
      copyFileSync(path.join(directory, from), target);
    }
  }
  for (const name of readdirSync(out)) {
    if (!OUTPUTS.includes(name)) rmSync(path.join(out, name), { recursive: true, force: true });
  }
}

function run(script, args, cwd) {
  const result = spawnSync(process.execPath, [script, ...args], { cwd, encoding: 'utf8' });
  if (result.error) throw result.error;
  if (result.status === 0) return;
  process.stderr.write(result.stdout + result.stderr);
  throw new Error(`The build failed: ${path.basename(script)} ended with ${result.status ?? result.signal}.`);
}

/** A digest of all that goes into a build and of all that came out of it. */
function stamp() {
  const hash = createHash('sha256');
  for (const input of INPUTS) add(hash, ROOT, input);
  for (const name of OUTPUTS) add(hash, out, name);
  return hash.digest('hex');
}

function add(hash, base, name) {
  const file = path.join(base, name);
  hash.update(`${name}\0`);
  if (!existsSync(file)) return;
  const entries = listing(file);
  if (entries) for (const entry of entries) add(hash, base, `${name}/${entry}`);
  else hash.update(readFileSync(file));
}

function listing(file) {
  try {
    return readdirSync(file).sort();
  } catch (error) {
    if (error.code === 'ENOTDIR') return null;
    throw error;
  }
}

function lastStamp() {
  try {
    return JSON.parse(readFileSync(STAMP, 'utf8'));
  } catch {
    return null;
  }
}
