/** The dependency rule: which room may import which. @type {import('dependency-cruiser').IConfiguration} */
module.exports = {
  forbidden: [
    room('cqrs', '^src/cqrs/'),
    room('users', '^src/(users|cqrs)/'),
    room('todos', '^src/(todos|cqrs)/'),
    room('eventstoredb', '^src/(eventstoredb|cqrs)/'),
    room('embedded-node', '^src/embedded-node/'),
    room('read-model', '^src/(read-model|cqrs)/'),
    room('http', '^src/(http|cqrs)/'),
    room('metrics', '^src/(metrics|cqrs)/'),
    room('reactions', '^src/(reactions|cqrs)/'),
    room('tracing', '^src/(tracing|cqrs)/'),
    room('inspector', '^src/(inspector|cqrs)/'),
    {
      name: 'projections-import-events-never-commands',
      severity: 'error',
      from: { path: '^projections/' },
      to: {
        path: '^(src|projections)/',
        pathNot: ['^projections/', '^src/(cqrs|read-model)/', '^src/users/(user|email)\\.ts$', '^src/todos/todo\\.ts$'],
      },
    },
    {
      name: 'domain-does-no-io',
      severity: 'error',
      from: { path: '^src/(cqrs|users|todos)/', pathNot: ['/(routes|graphql-\\w+)\\.ts$', '^src/cqrs/testing/'] },
      to: {
        dependencyTypes: ['core', 'npm'],
        pathNot: ['zod', 'ulid', 'p-retry', '@standard-schema', '^(node:)?(crypto|url)$'],
      },
    },
    {
      name: 'only-main-and-cli-compose',
      severity: 'error',
      from: { path: '^(src|projections)/', pathNot: '^src/(main\\.ts$|cli(\\.ts$|/))' },
      to: { path: '^src/(main|cli|config)(\\.ts$|/)' },
    },
    { name: 'no-circles', severity: 'error', from: {}, to: { circular: true } },
    {
      name: 'no-dev-dependencies',
      severity: 'error',
      from: { path: '^(src|projections)/' },
      // The kit's testing helpers take fast-check from their user's tests.
      to: { dependencyTypes: ['npm-dev', 'npm-no-pkg', 'npm-unknown'], pathNot: 'fast-check' },
    },
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    enhancedResolveOptions: {
      exportsFields: ['exports'],
      conditionNames: ['import', 'require', 'node', 'default', 'types'],
    },
  },
}

/** A room imports our code only from the places that the pattern allows. */
function room(name, allowed) {
  return {
    name: `${name}-keeps-to-its-rooms`,
    severity: 'error',
    from: { path: `^src/${name}/` },
    to: { path: '^(src|projections|test)/', pathNot: allowed },
  }
}
