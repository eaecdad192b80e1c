import {
  lstatSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { createSite, type Site } from '../rig/site.ts';

/** A monorepo whose frontend takes its variables from apps/web/.env as it is built. */
const BUILD_WEB = `const fs = require('fs');
const file = 'apps/web/.env';
fs.mkdirSync('apps/web/out', { recursive: true });
fs.writeFileSync('apps/web/out/page.html', fs.existsSync(file) ? fs.readFileSync(file, 'utf8') : 'no variables');
console.log('built with ' + fs.readFileSync('apps/web/out/page.html', 'utf8'));
`;

let site: Site;
beforeAll(async () => {
  site = await createSite();
});
afterAll(() => site?.stop());

const files = (version: string, more: Record<string, string> = {}): Record<string, string> => ({
  ...site.files({ version }),
  '.gitignore': 'node_modules\ndist\nout\n.env\n',
  'apps/web/package.json': '{"name":"web"}',
  'apps/web/build.js': BUILD_WEB,
  ...more,
});
const deploy = (version: string, inputs: Record<string, string> = {}) =>
  site.deploy({
    ref: site.commit({ files: files(version) }),
    canary: 'off',
    'build-command': 'node build.js && node apps/web/build.js',
    ...inputs,
  });
const page = (): string => readFileSync(path.join(site.live, 'apps/web/out/page.html'), 'utf8');
const env = (): string => path.join(site.live, 'apps/web/.env');

test("a frontend's .env beside its package.json reaches its build, stays where it is, and is in no log", async () => {
  const first = await deploy('1');
  expect(first, first.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(page()).toBe('no variables');

  writeFileSync(env(), 'VITE_KEY=key-of-the-frontend', { mode: 0o600 });
  const run = await deploy('2');
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(page()).toBe('VITE_KEY=key-of-the-frontend');
  expect(readFileSync(env(), 'utf8')).toBe('VITE_KEY=key-of-the-frontend');
  expect(run.stdout).toContain('apps/web/.env');
  expect(run.stdout).toContain('built with VITE_KEY=***');
  expect(run.stdout).not.toContain('key-of-the-frontend');
});

test('another value there is something to deploy; the same one is not', async () => {
  const same = await site.deploy({
    ref: 'main',
    canary: 'off',
    'build-command': 'node build.js && node apps/web/build.js',
  });
  expect(same, same.stdout).toMatchObject({ code: 0, outputs: { outcome: 'unchanged' } });
  // From here on it is a link to a file that all apps of the server share.
  const shared = path.join(site.host.directory, 'shared.env');
  writeFileSync(shared, 'VITE_KEY=another-value');
  rmSync(env());
  symlinkSync(shared, env());
  const run = await site.deploy({
    ref: 'main',
    canary: 'off',
    'build-command': 'node build.js && node apps/web/build.js',
  });
  expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
  expect(page()).toBe('VITE_KEY=another-value');
});

test("a build that copies the server's files: they outlive the deploys without the copy", async () => {
  const settings = path.join(site.live, 'apps/web/settings.json');
  writeFileSync(settings, '{"of":"the server"}');
  const copies = `cp ${env()} ${settings} apps/web && node build.js`;
  for (const [version, command] of [
    ['3', copies],
    ['4', 'node build.js'],
    ['5', 'node build.js'],
  ] as const) {
    const run = await deploy(version, { 'build-command': command });
    expect(run, run.stdout).toMatchObject({ code: 0, outputs: { outcome: 'deployed' } });
    expect(readFileSync(env(), 'utf8')).toBe('VITE_KEY=another-value');
    expect(lstatSync(env()).isSymbolicLink()).toBe(true);
    expect(readFileSync(settings, 'utf8')).toBe('{"of":"the server"}');
  }
});

test('links of the commit lead neither install and build nor an .env file out of it', async () => {
  const outside = mkdtempSync(path.join(tmpdir(), 'outside-'));
  const links = { linked: `-> ${outside}`, '.env.local': `-> ${path.join(outside, 'new')}` };
  const ref = site.commit({ files: files('6', links) });
  const builds = { ref, canary: 'off', 'build-command': 'touch built' };
  const run = await site.deploy({ ...builds, 'working-directory': 'linked' });
  expect(run, run.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(run.stdout).toContain("working-directory 'linked' is a link in the commit");
  writeFileSync(path.join(site.live, '.env.local'), 'SECRET=of-the-server');
  const other = await site.deploy(builds);
  expect(other, other.stdout).toMatchObject({ code: 1, outputs: { outcome: 'failed' } });
  expect(readdirSync(outside)).toEqual([]);
  rmSync(outside, { recursive: true });
});
