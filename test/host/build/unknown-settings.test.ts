import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { unknownSettings } from '../../../src/host/build/unknown-settings.ts';
import { MIDDLE, NEWEST, startPm2 } from '../../rig/pm2.ts';

test('names each setting that PM2 would ignore, and what to write', () => {
  const app = { name: 'web', script: 'a.js', env_production: {}, execMode: 'cluster' };
  expect(unknownSettings(app)).toEqual([]);
  expect(unknownSettings({ ...app, instance: 0, env_file: '.env.prod', note: 'x' })).toEqual([
    "'web': PM2 has no setting 'instance' and ignores it. Did you mean 'instances'?",
    "'web': PM2 has no setting 'env_file' and ignores it. To load that file, call process.loadEnvFile('.env.prod') first in the app (Node 20.12 and newer), or use the package dotenv; or list the variables in \"env\".",
    "'web': PM2 has no setting 'note' and ignores it. Remove it, or move it to \"env\".",
  ]);
});

test.each([MIDDLE, NEWEST])(
  '$name: what is advised in place of env_file gives the variables, in each mode',
  async (runtime) => {
    await using pm2 = await startPm2(runtime);
    const cwd = join(pm2.home, 'app');
    mkdirSync(cwd);
    writeFileSync(join(cwd, '.env.prod'), 'GREETING=hello\n');
    writeFileSync(
      join(cwd, 'app.js'),
      `process.loadEnvFile('.env.prod');
require('fs').writeFileSync('says-' + process.env.name, process.env.GREETING);
setInterval(() => {}, 1000);`,
    );
    const apps = ['fork', 'cluster'].map((mode) => ({
      name: mode,
      script: 'app.js',
      cwd,
      exec_mode: mode,
      listen_timeout: 100,
    }));
    writeFileSync(join(pm2.home, 'apps.json'), JSON.stringify({ apps }));
    await pm2.run(['start', 'apps.json']);
    for (const mode of ['fork', 'cluster'])
      await expect.poll(() => textOf(join(cwd, `says-${mode}`))).toBe('hello');
  },
);

function textOf(file: string): string | null {
  return existsSync(file) ? readFileSync(file, 'utf8') : null;
}
