import { startNode as start } from '../../dist/src/embedded-node/node.js'

/**
 * The node runs in a worker thread, and a worker thread runs compiled JavaScript: tests start the node of the last
 * build (`npm test` builds first).
 */
export const startNode: typeof import('../../src/embedded-node/node.ts').startNode = start
