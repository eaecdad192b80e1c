import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { frameworkAssets } from '../../../src/host/build/frameworks.ts';
import { plant } from '../swap/site-fixture.ts';

test('the assets of each app are where the framework in its dependencies puts them', () => {
  const top = mkdtempSync(join(tmpdir(), 'frameworks-'));
  const manifest = (more: object): string => JSON.stringify({ name: 'app', ...more });
  const files = {
    'package.json': manifest({ workspaces: ['apps/*'] }),
    'apps/web/package.json': manifest({ devDependencies: { vite: '7' } }),
    'apps/site/package.json': manifest({ dependencies: { next: '16' } }),
    'apps/api/package.json': manifest({ dependencies: { express: '5' } }),
    'apps/broken/package.json': '{',
    'apps/web/vite.config.js': '',
  };
  plant(top, files);
  expect(frameworkAssets(top, Object.keys(files))).toEqual([
    'apps/web/dist/assets',
    'apps/site/.next/static',
    'apps/site/.next/standalone/**/.next/static',
    'apps/site/out/_next/static',
  ]);
  expect(frameworkAssets(top, ['gone/package.json'])).toEqual([]);
  rmSync(top, { recursive: true });
});
