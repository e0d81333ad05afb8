import { defineConfig } from 'vitest/config';

export default defineConfig({
  test: {
    include: ['{harness,scenarios,clusters,reports}/**/*.test.ts'],
    retry: 0,
    // Most of the long ones wait rather than work: every core takes a file.
    maxWorkers: '100%',
    maxConcurrency: 3,
    testTimeout: 60_000,
    hookTimeout: 60_000,
  },
});
