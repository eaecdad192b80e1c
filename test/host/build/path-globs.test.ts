import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, test } from 'vitest';
import { matchingFiles } from '../../../src/host/build/path-globs.ts';
import { plant } from '../swap/site-fixture.ts';

let top: string;
beforeEach(() => {
  top = mkdtempSync(join(tmpdir(), 'globs-'));
  plant(top, {
    'dist/assets/a-1.js': '',
    'dist/assets/deep/b-2.css': '',
    'dist/index.html': '',
    'dist/[slug]/page-3.js': '',
    'dist/link.js': '-> assets/a-1.js',
    'dist/elsewhere': '-> assets',
    'dist/x/y/assets/c.js': '',
    'dist/node_modules/assets/d.js': '',
    'dist/.git/assets/e.js': '',
  });
});
afterEach(() => rmSync(top, { recursive: true }));

test.each([
  [['dist/assets'], ['dist/assets/a-1.js', 'dist/assets/deep/b-2.css']],
  [['dist/assets/**'], ['dist/assets/a-1.js', 'dist/assets/deep/b-2.css']],
  [['dist/assets/*.js', 'dist/assets/a-?.js'], ['dist/assets/a-1.js']],
  [['dist/**/assets'], ['dist/assets/a-1.js', 'dist/assets/deep/b-2.css', 'dist/x/y/assets/c.js']],
  [['dist/**/*.css'], ['dist/assets/deep/b-2.css']],
  [['dist/[slug]'], ['dist/[slug]/page-3.js']],
  [['dist/index.html/x', 'dist/index.html'], ['dist/index.html']],
  [['dist/[a-z]*', 'dist/*.j', 'nowhere', 'dist/elsewhere', 'dist/link.js'], []],
])('%j names its files, behind no link and in no node_modules or .git', (globs, files) => {
  expect(matchingFiles(top, globs)).toEqual(files);
});
