import { expect, test } from 'vitest';
import { unknownSettings } from '../../../src/host/build/unknown-settings.ts';

test('names each setting that PM2 would ignore, and what to write', () => {
  const app = { name: 'web', script: 'a.js', env_production: {}, execMode: 'cluster' };
  expect(unknownSettings(app)).toEqual([]);
  expect(unknownSettings({ ...app, instance: 0, env_file: '.env.prod', note: 'x' })).toEqual([
    "'web': PM2 has no setting 'instance' and ignores it. Did you mean 'instances'?",
    "'web': PM2 has no setting 'env_file' and ignores it. To load that file, call process.loadEnvFile('.env.prod') first in the app (Node 20.12 and newer), or use the package dotenv; or list the variables in \"env\".",
    "'web': PM2 has no setting 'note' and ignores it. Remove it, or move it to \"env\".",
  ]);
});
