import { expect, test } from 'vitest';
import { settingsInstead, startedByLauncher } from '../../../src/host/build/start-script.ts';
import type { AppConfig } from '../../../src/host/pm2/app-config.ts';

const scripts = {
  start: 'node dist/server.js',
  prod: 'node dist/main --port 80',
  next: 'next start',
  dev: 'tsx src/server.ts',
  env: 'NODE_ENV=production node dist/server.js',
  both: 'prisma migrate deploy && node dist/server.js',
  flags: 'node --enable-source-maps dist/server.js',
  nest: 'nest start',
};
const MODE = "exec_mode: 'cluster', instances: 2";

test.each<[string, AppConfig, string]>([
  ['npm start', { script: 'npm', args: 'start' }, `set "script: 'dist/server.js', ${MODE}"`],
  [
    'the file that npm is',
    { script: '/usr/bin/npm-cli.js', args: ['run', 'start'] },
    `'dist/server.js', ${MODE}`,
  ],
  ['a command line', { script: 'npm run start' }, "script: 'dist/server.js'"],
  [
    'no suffix, and arguments',
    { script: 'yarn', args: 'prod' },
    "script: 'dist/main.js', args: '--port 80',",
  ],
  [
    'Next.js',
    { script: 'pnpm', args: 'run next -- -p 3001' },
    `set "script: 'node_modules/next/dist/bin/next', args: 'start -p 3001', ${MODE}"`,
  ],
  ['npx', { script: 'npx', args: 'next start' }, "'node_modules/next/dist/bin/next', args: 'start'"],
  ['tsx behind npm', { script: 'npm', args: 'run dev' }, 'have the build compile the app to JavaScript'],
  ['tsx', { script: 'node_modules/.bin/tsx', args: 'src/a.ts' }, 'have the build compile the app'],
  ...['env', 'both', 'flags', 'nest', 'none'].map((name): [string, AppConfig, string] => [
    `what only a shell or its own program understands: ${name}`,
    { script: 'npm', args: `run ${name}` },
    `set "script: 'dist/server.js', ${MODE}" with the JavaScript file that it starts`,
  ]),
])('%s', (_, app, words) => {
  const found = startedByLauncher(app, scripts);
  expect(found === null ? '' : settingsInstead(found.started)).toContain(words);
});

test('a script of its own has no launcher', () => {
  expect(startedByLauncher({ script: 'dist/server.js', args: 'start' }, scripts)).toBeNull();
});
