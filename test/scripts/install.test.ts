import { expect, test } from 'vitest';
import { isInstalled } from '../../scripts/install.mjs';

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
