// An embedded node in a process of its own, which tells its statistics to whoever started it.
import { startNode } from '../dist/src/embedded-node/node.js'

const node = await startNode({ dataDir: process.argv[2], port: 0 })
process.on('message', async () => process.send(await node.statistics()))
process.on('SIGTERM', async () => {
  await node.close()
  process.exit()
})
process.send(node.address)
