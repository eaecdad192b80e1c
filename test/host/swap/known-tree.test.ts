import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, expect, it } from 'vitest';
import { knownTree, onlyKnown } from '../../../src/host/swap/known-tree.ts';
import { learn } from '../../../src/host/swap/lasting-entries.ts';
import { recordGenerated } from '../../../src/host/swap/tree.ts';
import { fingerprints, plant } from './site-fixture.ts';

let release: string;
beforeEach(() => {
  release = mkdtempSync(join(tmpdir(), 'known-'));
});
afterEach(() => rmSync(release, { recursive: true, force: true }));

it('leaves out of a record what came after the build: links, and what the app wrote', () => {
  const tracked = { 'src/a.js': '1', 'public/a.css': '1' };
  plant(release, tracked);
  plant(release, { 'dist/b.js': '2', 'dist/deep/c.js': '3', 'src/stamp.json': '{}' });
  const built = recordGenerated(release, fingerprints(tracked));

  plant(release, { 'dist/assets/old.js': 'of an earlier version', 'public/old.css': 'likewise' });
  const known = knownTree(fingerprints(tracked), built, 'known');
  for (const path of ['dist/assets/old.js', 'public/old.css']) learn(known, path);
  const expected = recordGenerated(release, fingerprints(tracked));

  plant(release, {
    '.env': '-> ../../shared/.env',
    uploads: '-> ../../shared/uploads',
    'src/written.log': 'x',
    'dist/cache/page.html': 'x',
    'dist/assets/written.js': 'x',
    'data/app.db': 'x',
  });
  const found = recordGenerated(release, fingerprints(tracked));
  expect(found).not.toEqual(expected);
  expect(onlyKnown(found, known)).toEqual(expected);
});
