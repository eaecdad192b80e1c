import { execFile, execFileSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { promisify } from 'node:util';
import { expect, test } from 'vitest';
import { isInstalled } from '../../scripts/install.mjs';
import { ROOT } from '../rig/places.ts';

const linux = { os: 'linux', cpu: 'x64', libc: 'glibc' };
type Packages = Record<string, object>;
const check = (wanted: Packages, installed: Packages): boolean =>
  isInstalled({ packages: { '': {}, ...wanted } }, { packages: installed }, linux);

test('the same packages are installed', () => {
  expect(check({ a: { version: '1', integrity: 'x' } }, { a: { version: '1', integrity: 'x' } })).toBe(true);
});

test.each<[string, Packages, Packages]>([
  ['one is missing', { a: { version: '1' } }, {}],
  ['another version is there', { a: { version: '2' } }, { a: { version: '1' } }],
  [
    'other content is there',
    { a: { version: '1', integrity: 'y' } },
    { a: { version: '1', integrity: 'x' } },
  ],
  ['one too many is there', {}, { a: { version: '1' } }],
  [
    'one for this platform is missing',
    { a: { optional: true, os: 'linux', cpu: ['x64'], libc: ['glibc'] } },
    {},
  ],
])('not installed: %s', (_what, wanted, installed) => {
  expect(check(wanted, installed)).toBe(false);
});

test.each<[string, object]>([
  ['for another system', { os: ['darwin'] }],
  ['for another processor', { os: ['linux'], cpu: ['arm64'] }],
  ['for another C library', { os: ['linux'], cpu: ['x64'], libc: ['musl'] }],
  ['that only such a one needs', {}],
])('an optional package %s may be missing', (_what, entry) => {
  expect(check({ a: { optional: true, ...entry } }, {})).toBe(true);
});

test.each([
  ['a package', {}],
  ['an optional package, which npm leaves out then', { optional: true, os: [process.platform] }],
])('a registry that fails once is asked again: %s', async (_what, kind) => {
  const directory = mkdtempSync(path.join(tmpdir(), 'install-'));
  const packed = packageOf(directory);
  let asked = 0;
  const registry = createServer((_, response) => {
    asked += 1;
    response.writeHead(asked === 1 ? 503 : 200).end(asked === 1 ? '' : packed);
  });
  await new Promise<void>((resolve) => registry.listen(0, '127.0.0.1', resolve));
  try {
    const { port } = registry.address() as AddressInfo;
    const integrity = `sha512-${createHash('sha512').update(packed).digest('base64')}`;
    const dep = { version: '1.0.0', resolved: `http://127.0.0.1:${port}/dep.tgz`, integrity, ...kind };
    const root = { [dep.optional ? 'optionalDependencies' : 'dependencies']: { dep: '1.0.0' } };
    const packages = { '': root, 'node_modules/dep': dep };
    writeFileSync(path.join(directory, 'package.json'), JSON.stringify(root));
    writeFileSync(
      path.join(directory, 'package-lock.json'),
      JSON.stringify({ lockfileVersion: 3, requires: true, packages }),
    );
    const script = JSON.stringify(path.join(ROOT, 'scripts/install.mjs'));
    const text = `import { install } from ${script}; install(${JSON.stringify(directory)}, 0);`;
    const env = {
      ...process.env,
      npm_config_cache: path.join(directory, 'cache'),
      npm_config_fetch_retries: '0',
      npm_config_loglevel: 'silent',
      npm_config_noproxy: '127.0.0.1',
      npm_config_replace_registry_host: 'never',
    };
    await promisify(execFile)(process.execPath, ['--input-type=module', '-e', text], { env });
    expect(existsSync(path.join(directory, 'node_modules/dep/package.json'))).toBe(true);
    expect(asked).toBeGreaterThan(1);
  } finally {
    registry.close();
    rmSync(directory, { recursive: true });
  }
});

function packageOf(directory: string): Buffer {
  const files = path.join(directory, 'made');
  mkdirSync(path.join(files, 'package'), { recursive: true });
  writeFileSync(path.join(files, 'package/package.json'), JSON.stringify({ name: 'dep', version: '1.0.0' }));
  const file = path.join(files, 'dep.tgz');
  execFileSync('tar', ['-czf', file, '-C', files, 'package']);
  return readFileSync(file);
}
