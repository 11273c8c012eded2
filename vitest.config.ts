import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { defineConfig } from 'vitest/config'

export default defineConfig({
  // What node resolves. Vite would take the ESM build, and the libraries theirs: two classes GraphQLError.
  resolve: { alias: [{ find: /^graphql$/, replacement: resolve('node_modules/graphql/index.js') }] },
  test: {
    include: ['test/**/*.test.ts'],
    // The rest of the sources is checked by `npm run types`.
    typecheck: {
      ...{ enabled: true, include: ['test/**/*.test-d.ts'], ignoreSourceErrors: true },
      tsconfig: 'test/tsconfig.test-d.json',
    },
    globalSetup: 'test/support/global-setup.ts',
    pool: 'forks',
    // Most tests wait, for processes, disks and deadlines: the default, one worker less than there are cores, too.
    maxWorkers: availableParallelism() + 1,
    // The fault scenarios, each of which has several processes of its own.
    maxConcurrency: 3,
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
