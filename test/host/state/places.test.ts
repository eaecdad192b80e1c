import { mkdirSync, mkdtempSync, realpathSync, rmSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { resolvePath } from '../../../src/host/state/places.ts';

let home: string;
beforeEach(() => {
  home = realpathSync(mkdtempSync(join(tmpdir(), 'places-')));
});
afterEach(() => rmSync(home, { recursive: true, force: true }));

describe('resolvePath', () => {
  it('starts at the home, and gives the real path of what is there', () => {
    mkdirSync(join(home, 'real'));
    symlinkSync('real', join(home, 'app'));
    expect(resolvePath('~/app', home)).toBe(join(home, 'real'));
    expect(resolvePath('app/not/yet', home)).toBe(join(home, 'real/not/yet'));
    expect(resolvePath('/srv/./app/../shop', home)).toBe('/srv/shop');
  });

  it.each(['~', '.', '/'])('refuses %s', (path) => {
    expect(() => resolvePath(path, home)).toThrow(/the (root|home) directory/);
  });

  it('refuses a link to the home or to the root as well', () => {
    symlinkSync(home, join(home, 'myself'));
    symlinkSync('/', join(home, 'top'));
    expect(() => resolvePath('~/myself', home)).toThrow('the home directory itself');
    expect(() => resolvePath('~/top', home)).toThrow('the root directory');
  });
});
