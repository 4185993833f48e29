import { ZooKeeperServer } from '../../src/index.ts'

// A server in a process of its own, for tests that kill it: `server-process.ts FOLDER SNAP_COUNT`.
const [data = '', snapCount = '100000'] = process.argv.slice(2)
const server = new ZooKeeperServer({ listen: 0, data, snapCount: Number(snapCount), tickTime: 500 })
await server.start()
process.stdout.write(`${server.addresses.zookeeper}\n`)
