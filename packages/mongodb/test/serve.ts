import { MongodbServer } from '../src/index.ts'

// A server in a process of its own, for tests that kill it: `node serve.ts FOLDER` prints its address.
const server = new MongodbServer({ listen: 0, data: process.argv[2]! })
await server.start()
console.log(server.addresses.mongodb)
