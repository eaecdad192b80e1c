import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    globalSetup: ['test/rig/setup.ts'],
    // Each file runs real servers; two cores carry two of them.
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 60_000,
    retry: 0,
    // A second, which is the default, is not enough for a deploy's first event on a busy machine.
    expect: { poll: { timeout: 10_000 } },
  },
});
