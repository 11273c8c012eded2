import { readFileSync } from 'node:fs'
import { expect, test } from 'vitest'

test('the example in docs/embedded-node.md is a test that passes', () => {
  const example = /```ts\n(.*?)```/s.exec(readFileSync('docs/embedded-node.md', 'utf8'))?.[1]
  expect(example).toBe(readFileSync('test/embedded-node/in-your-tests.test.ts', 'utf8'))
})
