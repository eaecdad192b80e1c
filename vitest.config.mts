import { configDefaults, defineConfig } from 'vitest/config';

const LONG = 'test/**/*.long.test.ts';

/** `npm test` is for every change; `npm run test:long`, which is `--mode long`, has the files that take a minute and more. */
export default defineConfig(({ mode }) => ({
  // Of a package's source maps that lead nowhere.
  logLevel: 'error',
  test: {
    include: mode === 'long' ? [LONG] : ['test/**/*.test.ts'],
    exclude: mode === 'long' ? configDefaults.exclude : [...configDefaults.exclude, LONG],
    globalSetup: ['test/rig/setup.ts'],
    // It imports JSON as a bundler takes it, and Node does not.
    server: { deps: { inline: ['@actions/workflow-parser'] } },
    setupFiles: ['test/rig/failed-tests.ts'],
    // Each file runs real servers; two cores carry two of them.
    maxWorkers: 2,
    // Patience costs nothing where all is well. A busy machine takes three times as long as a quiet one.
    testTimeout: mode === 'long' ? 300_000 : 120_000,
    hookTimeout: 120_000,
    retry: 0,
    expect: { poll: { timeout: 30_000 } },
  },
}));
