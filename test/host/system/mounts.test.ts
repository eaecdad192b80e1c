import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, mkdtempSync, realpathSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { placesOf, refuseApart } from '../../../src/host/state/places.ts';
import { checkSwap } from '../../../src/host/swap/swap.ts';
import { mountOf, mountPoints, parseMounts } from '../../../src/host/system/mounts.ts';

it('reads where things are mounted, blanks in a name too, and finds the deepest above a path', () => {
  const points = parseMounts(
    `22 1 8:1 / / rw - ext4 /dev/sda1 rw
23 22 8:1 /disk/app /var/www/my\\040app rw shared:1 - ext4 /dev/sda1 rw
24 22 0:5 / /var rw - tmpfs tmpfs rw
`,
  ).map(({ point }) => point);
  expect(points).toEqual(['/', '/var/www/my app', '/var']);
  expect(mountOf('/var/www/my app/.git', points)).toBe('/var/www/my app');
  expect(mountOf('/var/www/my app2', points)).toBe('/var');
  expect(mountOf('/srv', points)).toBe('/');
  expect(mountOf('/srv', [])).toBe('');
});

describe.runIf(process.getuid?.() === 0)('a real bind mount', () => {
  let scratch: string;
  let live: string;
  const mounts: string[] = [];
  const bind = (from: string, to: string): void => {
    for (const path of [from, to]) mkdirSync(path, { recursive: true });
    execFileSync('mount', ['--bind', from, to]);
    mounts.push(to);
  };
  beforeEach(() => {
    scratch = realpathSync(mkdtempSync(join(tmpdir(), 'mounts-')));
    live = join(scratch, 'www', 'app');
  });
  afterEach(() => {
    for (const point of mounts.splice(0).reverse()) execFileSync('umount', ['--lazy', point]);
    if (!mountPoints().some((point) => point.startsWith(scratch))) rmSync(scratch, { recursive: true });
  });

  it('of path: the new version is built in its .git, from where it can be renamed', () => {
    bind(join(scratch, 'disk'), live);
    const places = placesOf(live, '', join(scratch, 'state'));
    expect(places.beside).toBe(join(live, '.git/pm2-ssh-deploy'));
    mkdirSync(places.beside, { recursive: true });
    refuseApart(places);
    writeFileSync(join(places.beside, 'x'), '');
    renameSync(join(places.beside, 'x'), join(live, 'x'));
    expect(() => renameSync(join(live, 'x'), join(scratch, 'www/x'))).toThrow('EXDEV');
  });

  it('above path: the new version is built beside path as ever', () => {
    bind(join(scratch, 'disk'), join(scratch, 'www'));
    mkdirSync(live);
    expect(placesOf(live, '', scratch).beside).toBe(join(scratch, 'www/.app.pm2-ssh-deploy'));
  });

  it('of path and of its .git: refused before anything is built, with what to do', () => {
    bind(join(scratch, 'disk'), live);
    bind(join(scratch, 'git'), join(live, '.git'));
    const places = placesOf(live, '', join(scratch, 'state'));
    expect(() => refuseApart(places)).toThrow(/\.git and .* are on different mounts/);
    expect(existsSync(places.beside)).toBe(false);
  });

  it('of path whose .git is a file: refused in words', () => {
    bind(join(scratch, 'disk'), live);
    writeFileSync(join(live, '.git'), 'gitdir: elsewhere');
    expect(() => refuseApart(placesOf(live, '', scratch))).toThrow('.git is no directory');
  });

  it('below what would be exchanged as a whole: refused before the swap', () => {
    const places = { live, staging: join(scratch, 'staging'), kept: join(scratch, 'kept') };
    for (const path of [places.staging, places.kept]) mkdirSync(join(path), { recursive: true });
    mkdirSync(join(places.staging, 'dist'));
    bind(join(scratch, 'photos'), join(live, 'dist/photos'));
    const ops = [{ path: 'dist', live: true, staging: true }];
    expect(() => checkSwap(places, ops)).toThrow('"dist" is a mount point, or holds one');
  });
});
