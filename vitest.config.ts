import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // What node resolves. Vite would take the ESM build, and the libraries theirs: two classes GraphQLError.
  resolve: { alias: [{ find: /^graphql$/, replacement: resolve('node_modules/graphql/index.js') }] },
  test: {
    include: ['test/**/*.test.ts'],
    // The rest of the sources is checked by `npm run types`.
    typecheck: { enabled: true, include: ['test/**/*.test-d.ts'], ignoreSourceErrors: true },
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    // The fault scenarios, each of which has several processes of its own.
    maxConcurrency: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
