// Installs what package-lock.json names, and nothing when that is what is installed already.
// `--host-tools` does the same for the other Node and PM2 versions that the tests run, `--frameworks` for what
// `npm run bench:frameworks` deploys.
// Plain JavaScript for any Node from 16 on: it runs before the project's own Node is there.
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const ROOT = path.dirname(path.dirname(fileURLToPath(import.meta.url)));
const UNREACHABLE =
  /\b(ENOTFOUND|EAI_AGAIN|ECONNREFUSED|ECONNRESET|ETIMEDOUT|EHOSTUNREACH|ENETUNREACH|ERR_SOCKET_TIMEOUT|EIDLETIMEOUT|E429|E5\d\d)\b|CERT|network/;
/** npm itself asks three times for each package, but not after every failure. */
const ATTEMPTS = 3;

/**
 * Whether `installed` (node_modules/.package-lock.json) is all that `wanted` (package-lock.json) asks of this platform.
 * npm writes `installed` last, so an install that was cut short has none.
 */
export function isInstalled(
  wanted,
  installed,
  platform = { os: process.platform, cpu: process.arch, libc: libc() },
) {
  const names = new Set([...Object.keys(wanted.packages), ...Object.keys(installed.packages)]);
  names.delete('');
  for (const name of names) {
    const want = wanted.packages[name];
    const have = installed.packages[name];
    if (!want) return false;
    if (
      have ? want.version !== have.version || want.integrity !== have.integrity : belongsHere(want, platform)
    ) {
      return false;
    }
  }
  return true;
}

/**
 * Whether a package that is not there is missed. An optional one is not, unless it names this very platform:
 * npm leaves out those for others, and all that only they need.
 */
function belongsHere(entry, platform) {
  if (!entry.optional) return true;
  const named = ['os', 'cpu', 'libc'].filter((key) => entry[key]);
  return named.length > 0 && named.every((key) => [].concat(entry[key]).includes(platform[key]));
}

function libc() {
  if (process.platform !== 'linux') return undefined;
  return process.report.getReport().header.glibcVersionRuntime ? 'glibc' : 'musl';
}

function read(file) {
  return JSON.parse(readFileSync(file, 'utf8'));
}

function upToDate(directory) {
  const installed = path.join(directory, 'node_modules', '.package-lock.json');
  return (
    existsSync(installed) && isInstalled(read(path.join(directory, 'package-lock.json')), read(installed))
  );
}

/** Installs what a directory's lock file names. Waits so many milliseconds before it tries again where the registry failed. */
export function install(directory, pause = 10_000) {
  if (upToDate(directory)) return;
  const name = path.relative(ROOT, directory) || 'the project';
  console.error(`Installing what ${name} needs (npm ci) ...`);
  let result = npmCi(directory);
  for (let attempt = 2; attempt <= ATTEMPTS && isCutShort(directory, result); attempt += 1) {
    console.error('The npm registry did not give all of it. Trying again ...');
    Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, pause);
    result = npmCi(directory);
  }
  if (result.status !== 0) failedToInstall(name, result);
}

/** npm ends well, too, if it could not get an optional package, such as a program for this platform. */
function isCutShort(directory, { status, stderr }) {
  return status === 0 ? !upToDate(directory) : UNREACHABLE.test(stderr);
}

function npmCi(directory) {
  // npm is not to run on the very Node that it is about to replace.
  const search = (process.env.PATH ?? '').split(path.delimiter);
  // Its errors are wanted below a silent npm test, too: they tell whether the registry was out of reach.
  const flags = ['--include=dev', '--include=optional', '--no-audit', '--no-fund', '--loglevel=error'];
  const result = spawnSync('npm', ['ci', ...flags], {
    cwd: directory,
    encoding: 'utf8',
    env: { ...process.env, PATH: search.filter((entry) => !entry.startsWith(ROOT)).join(path.delimiter) },
    shell: process.platform === 'win32',
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  if (result.error) {
    fail(
      `npm could not be started (${result.error.message}). Install Node.js with npm, then run this again.`,
    );
  }
  return result;
}

function failedToInstall(name, { status, stdout, stderr }) {
  process.stderr.write(stdout + stderr);
  if (UNREACHABLE.test(stderr)) {
    fail(
      `The npm registry could not be reached, so what ${name} needs is not installed. Check the network and what ` +
        '`npm config get registry` and `npm config get proxy` print, then run this again.',
    );
  }
  fail(`npm ci failed for ${name} (exit code ${status}); its own message is above.`);
}

function fail(message) {
  console.error(`\n${message}`);
  process.exit(1);
}

if (process.argv[1] && import.meta.url === pathToFileURL(process.argv[1]).href) {
  install(ROOT);
  if (process.argv.includes('--host-tools')) install(path.join(ROOT, 'test', 'host-tools'));
  if (process.argv.includes('--frameworks')) {
    install(path.join(ROOT, 'test/load/frameworks/nodes'));
    install(path.join(ROOT, 'test/load/frameworks/tools'));
  }
}
